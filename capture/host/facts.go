package host

import (
	"fmt"
	"strconv"
	"strings"
)

// Fact keys that carry a name behind them.
const (
	datastoreFact = "datastore."
	deadlineFact  = "deadline."
)

// Facts are the host for a journal: recovery reaches it by FromFacts. They hold
// no password.
func (h Host) Facts() map[string]string {
	facts := map[string]string{"driver": h.Driver, "type": h.Type, "vmrun": h.Program, "address": h.Address, "user": h.User,
		"password-file": h.Password.File, "password-env": h.Password.Env,
		"vm-password-file": h.VMPassword.File, "vm-password-env": h.VMPassword.Env,
		"guest-user": h.Guest.User, "guest-password-file": h.Guest.File, "guest-password-env": h.Guest.Env,
		"vcbmounter": h.Mounter, "mode": h.Mode, "export-dir": h.ExportDir}
	if h.Port != 0 {
		facts["port"] = strconv.Itoa(h.Port)
	}
	if h.Monolithic {
		facts["monolithic"] = "true"
	}
	for name, dir := range h.Datastores {
		facts[datastoreFact+name] = dir
	}
	for name, t := range h.Deadlines.named() {
		if *t != 0 {
			facts[deadlineFact+name] = t.String()
		}
	}
	for key, value := range facts {
		if value == "" {
			delete(facts, key)
		}
	}
	return facts
}

// FromFacts is the host that Facts described.
func FromFacts(facts map[string]string) (Host, error) {
	h := Host{Driver: facts["driver"], Type: facts["type"], Program: facts["vmrun"], Address: facts["address"], User: facts["user"],
		Password:   Secret{File: facts["password-file"], Env: facts["password-env"]},
		VMPassword: Secret{File: facts["vm-password-file"], Env: facts["vm-password-env"]},
		Guest:      Login{facts["guest-user"], Secret{File: facts["guest-password-file"], Env: facts["guest-password-env"]}},
		Mounter:    facts["vcbmounter"], Mode: facts["mode"], ExportDir: facts["export-dir"], Monolithic: facts["monolithic"] == "true"}
	if port := facts["port"]; port != "" {
		n, err := strconv.Atoi(port)
		if err != nil {
			return h, fmt.Errorf("port %q of the host: %w", port, err)
		}
		h.Port = n
	}
	for key, value := range facts {
		if name, ok := strings.CutPrefix(key, datastoreFact); ok {
			if h.Datastores == nil {
				h.Datastores = map[string]string{}
			}
			h.Datastores[name] = value
		}
		if name, ok := strings.CutPrefix(key, deadlineFact); ok {
			if err := h.Deadlines.Set(name, value); err != nil {
				return h, err
			}
		}
	}
	return h, h.Check()
}
