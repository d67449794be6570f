package vmrun

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

func TestAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		hostType, host string
		port           int
		flags          string // -h and -P, "error" if refused
	}{
		{"ws", "esx1", 443, ""},
		{"player", "esx1", 443, ""},
		{"fusion", "esx1", 443, ""},
		{"esx", "esx1", 0, "-h https://esx1/sdk"},
		{"esx", "esx1", 443, "-h https://esx1/sdk"},
		{"esx", "esx1", 8443, "-h https://esx1:8443/sdk"},
		{"vc", "vc.example:9443", 443, "-h https://vc.example:9443/sdk"},
		{"vc", "192.0.2.7", 0, "-h https://192.0.2.7/sdk"},
		{"esx", "2001:db8::7", 0, "-h https://[2001:db8::7]/sdk"},
		{"esx", "2001:db8::7", 8443, "-h https://[2001:db8::7]:8443/sdk"},
		{"esx", "[2001:db8::7]", 8443, "-h https://[2001:db8::7]:8443/sdk"},
		{"esx", "[2001:db8::7]:8443", 0, "-h https://[2001:db8::7]:8443/sdk"},
		{"esx", "fe80::1%eth0", 0, "-h https://[fe80::1%25eth0]/sdk"},
		{"esx", "https://esx1/sdk", 0, "-h https://esx1/sdk"},
		{"esx", "http://esx1:8080/other", 0, "-h http://esx1:8080/other"},
		{"esx", "http://esx1:8080/other", 443, "-h http://esx1:8080/other"},
		{"esx", "https://esx1/sdk", 8443, "-h https://esx1:8443/sdk"},
		{"esx", "", 0, "error"},
		{"vc", "", 443, "error"},
		{"server", "", 0, "-h https://localhost:8333/sdk"},
		{"server", "gsx", 0, "-h https://gsx:8333/sdk"},
		{"server", "gsx", 443, "-h https://gsx:443/sdk"},
		{"server", "https://gsx/sdk", 0, "-h https://gsx/sdk"},
		{"ws-shared", "", 0, "-h https://localhost:443/sdk"},
		{"ws-shared", "desk", 8443, "-h https://desk:8443/sdk"},
		{"server1", "", 902, ""},
		{"server1", "gsx", 0, "-h gsx"},
		{"server1", "gsx", 902, "-h gsx -P 902"},
		{"server1", "gsx:904", 902, "-h gsx -P 904"},
		{"server1", "2001:db8::7", 902, "-h 2001:db8::7 -P 902"},
		{"esx", "two words", 0, "error"},
		{"esx", "esx1;rm -rf", 0, "error"},
		{"esx", "esx1\nesx2", 0, "error"},
		{"esx", "esx1/sdk", 0, "error"},
		{"esx", "esx1:port", 0, "error"},
		{"esx", "https:///sdk", 0, "error"},
		{"esx", "https://root:geheim@esx1/sdk", 0, "error"},
		{"esx", "root:geheim@esx1", 0, "error"},
		{"server1.x", "gsx", 0, "error"},
	} {
		t.Run(fmt.Sprintf("%s %q %d", c.hostType, c.host, c.port), func(t *testing.T) {
			t.Parallel()
			client := &Client{HostType: c.hostType, Host: c.host, Port: c.port}
			args, err := client.arguments("list", "")
			if err != nil {
				args = []string{"-T", c.hostType, "error", "list"}
			}
			wanted := append([]string{"-T", c.hostType}, append(strings.Fields(c.flags), "list")...)
			if !slices.Equal(args, wanted) {
				t.Errorf("arguments %q, want %q", args, wanted)
			}
			if shown := fmt.Sprint(err, client); strings.Contains(shown, "geheim") {
				t.Errorf("a password shows in %s", shown)
			}
		})
	}
}

// Each password is on the command line of those calls only that need it.
func TestPasswordsOnlyWhereNeeded(t *testing.T) {
	t.Parallel()
	eachVerb(t, func(t *testing.T, v verbCase) {
		for _, hostType := range []string{"ws", "player", "fusion", "ws-shared", "server", "server1", "esx", "vc"} {
			f := newCase(t, v, v.works)
			var log bytes.Buffer
			f.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			f.HostType, f.Host, f.Datastores = hostType, "host", map[string]string{"ds": f.dir}
			f.User, f.Password, f.VMPassword, f.GuestPassword = "root", "secret-p", "secret-vp", "secret-gp"
			if err := v.call(f, context.Background()); err != nil {
				t.Fatalf("%s: %v", hostType, err)
			}
			local := hostType == "ws" || hostType == "player" || hostType == "fusion"
			for _, call := range readCalls(f.dir) {
				opens := call.Verb != "version" && call.Verb != "list"
				for secret, wanted := range map[string]bool{
					"secret-p":  !local && call.Verb != "version",
					"secret-vp": opens,
					"secret-gp": call.Verb == "runProgramInGuest",
				} {
					at := slices.Index(call.Args, secret)
					if (at >= 0) != wanted {
						t.Errorf("%s %s: %s given is %v: %q", hostType, call.Verb, secret, at >= 0, call.Args)
					}
					if at >= 0 && (call.Args[at-1] != strings.TrimPrefix(secret, "secret") || at > slices.Index(call.Args, call.Verb)) {
						t.Errorf("%s %s: %s stands wrong: %q", hostType, call.Verb, secret, call.Args)
					}
				}
			}
			if strings.Contains(log.String(), "secret-") {
				t.Errorf("a password shows in the log: %s", log.String())
			}
		}
	})
}
