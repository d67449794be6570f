package host

import (
	"fmt"
	"log/slog"

	"granary/capture/vmrun"
)

// VMRun reads the passwords and gives the driver of this host's vmrun.
func (h Host) VMRun(log *slog.Logger) (*vmrun.Client, error) {
	password, err := h.Password.Read()
	if err != nil {
		return nil, fmt.Errorf("login to %s: %w", h, err)
	}
	vmPassword, err := h.VMPassword.Read()
	if err != nil {
		return nil, fmt.Errorf("open encrypted VMs: %w", err)
	}
	return &vmrun.Client{Program: h.Program, HostType: h.Type, Host: h.Address, Port: h.Port, User: h.User, Password: password,
		VMPassword: vmPassword, Timeouts: h.Deadlines.vmrun(), Log: log}, nil
}
