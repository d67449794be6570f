package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"granary/capture/host"
)

// hostFlags say where VMs run and how they are reached.
func hostFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "vmrun", EnvVars: []string{"GRANARY_VMRUN"}, Usage: "the program `FILE`", DefaultText: "vmrun on the PATH"},
		&cli.StringFlag{Name: "vmrun-type", EnvVars: []string{"GRANARY_VMRUN_TYPE"}, Usage: "vmrun's host `TYPE` (-T): " + strings.Join(host.Types, ", "), DefaultText: "ws"},
		&cli.StringFlag{Name: "host", Usage: "`ADDRESS` of a remote host"},
		&cli.IntFlag{Name: "port", Usage: "its `PORT`"},
		&cli.StringFlag{Name: "user", Usage: "login to it as `USER`"},
		&cli.StringFlag{Name: "host-password-file", EnvVars: []string{"GRANARY_HOST_PASSWORD_FILE"}, Usage: "`FILE` with that login's password; or GRANARY_HOST_PASSWORD"},
		&cli.StringFlag{Name: "vm-password-file", EnvVars: []string{"GRANARY_VM_PASSWORD_FILE"}, Usage: "`FILE` with the password of encrypted VMs; or GRANARY_VM_PASSWORD"},
		&cli.GenericFlag{Name: "datastore", Value: &texts{}, Usage: "`NAME=FOLDER` where this machine has a datastore mounted; may be repeated"},
		&cli.DurationFlag{Name: "stop-timeout", Usage: "how long a guest may take to stop", Value: 3 * time.Minute},
		&cli.StringSliceFlag{Name: "deadline", Usage: "`STEP=TIME`, of start, stop, stop-hard, suspend, snapshot, delete-snapshot, query, guest, export, unmount; may be repeated"},
		&cli.StringFlag{Name: "vcbmounter", EnvVars: []string{"GRANARY_VCBMOUNTER"}, Usage: "the program `FILE`", DefaultText: "vcbMounter on the PATH"},
		&cli.StringFlag{Name: "mode", Usage: "vcbMounter's `MODE` (-m): san, nbd, nbdssl, hotadd, cos"},
		&cli.StringFlag{Name: "export-dir", EnvVars: []string{"GRANARY_EXPORT_DIR"}, Usage: "`FOLDER` where vcbMounter's exports are made and removed"},
		&cli.BoolFlag{Name: "monolithic", Usage: "let vcbMounter export whole, flat disks"},
		&cli.StringFlag{Name: "guest-user", Usage: "login to the guest as `USER`, for --freeze and --thaw"},
		&cli.StringFlag{Name: "guest-password-file", EnvVars: []string{"GRANARY_GUEST_PASSWORD_FILE"}, Usage: "`FILE` with that login's password; or GRANARY_GUEST_PASSWORD"},
	}
}

// hostOf is the host that the flags describe.
func hostOf(c *cli.Context) (host.Host, error) {
	h := host.Host{Driver: c.String("driver"), Type: c.String("vmrun-type"), Program: c.String("vmrun"), Address: c.String("host"),
		Port: c.Int("port"), User: c.String("user"),
		Password:   secretOf(c, "host-password-file", "GRANARY_HOST_PASSWORD"),
		VMPassword: secretOf(c, "vm-password-file", "GRANARY_VM_PASSWORD"),
		Guest:      host.Login{User: c.String("guest-user"), Secret: secretOf(c, "guest-password-file", "GRANARY_GUEST_PASSWORD")},
		Mounter:    c.String("vcbmounter"), Mode: c.String("mode"), ExportDir: c.String("export-dir"), Monolithic: c.Bool("monolithic")}
	for flag, known := range map[string][]string{"driver": host.Drivers, "vmrun-type": host.Types} {
		if value := c.String(flag); value != "" && !slices.Contains(known, value) {
			return h, usage("--%s %s: want %s", flag, value, strings.Join(known, ", "))
		}
	}
	for _, text := range *c.Generic("datastore").(*texts) {
		name, dir, ok := strings.Cut(text, "=")
		if !ok {
			return h, usage("--datastore %s: want NAME=FOLDER", text)
		}
		if h.Datastores == nil {
			h.Datastores = map[string]string{}
		}
		h.Datastores[name] = dir
	}
	// A journal names them, and recovery may run in another folder.
	files := []*string{&h.Password.File, &h.VMPassword.File, &h.Guest.File, &h.ExportDir}
	for _, program := range []*string{&h.Program, &h.Mounter} {
		if strings.ContainsAny(*program, `/\`) { // else it is looked for on the PATH
			files = append(files, program)
		}
	}
	if err := absolute(files...); err != nil {
		return h, err
	}
	h.Deadlines.Stop = c.Duration("stop-timeout")
	for _, text := range c.StringSlice("deadline") {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return h, usage("--deadline %s: want STEP=TIME", text)
		}
		if err := h.Deadlines.Set(name, value); err != nil {
			return h, usage("--deadline: %w", err)
		}
	}
	if err := h.Check(); err != nil {
		return h, usage("%w", hostFlagHint{err})
	}
	return h, nil
}

// absolute makes paths independent of the working directory; empty ones stay so.
func absolute(paths ...*string) error {
	for _, path := range paths {
		if *path == "" {
			continue
		}
		abs, err := filepath.Abs(*path)
		if err != nil {
			return fmt.Errorf("find %s: %w", *path, err)
		}
		*path = abs
	}
	return nil
}

// secretOf finds a password in a file, else in a variable of granary's own.
func secretOf(c *cli.Context, flag, variable string) host.Secret {
	if file := c.String(flag); file != "" {
		return host.Secret{File: file}
	}
	if os.Getenv(variable) != "" {
		return host.Secret{Env: variable}
	}
	return host.Secret{}
}

// hostFlagHint adds the flags to an error of a host's description.
type hostFlagHint struct{ error }

func (e hostFlagHint) Hint() string {
	return "see granary capture --help: --driver, --vmrun-type, --host, --port, --datastore, --export-dir"
}

// texts are the values of a flag that is repeated, byte for byte: the library's
// own takes away blanks.
type texts []string

func (t *texts) Set(value string) error { *t = append(*t, value); return nil }
func (t *texts) String() string         { return strings.Join(*t, " ") }
