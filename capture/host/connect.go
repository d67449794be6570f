package host

import (
	"fmt"
	"log/slog"

	"granary/capture/vcb"
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
	guestPassword, err := h.Guest.Read()
	if err != nil {
		return nil, fmt.Errorf("login to the guest: %w", err)
	}
	return &vmrun.Client{Program: h.Program, HostType: h.Type, Host: h.Address, Port: h.Port, User: h.User, Password: password,
		VMPassword: vmPassword, GuestUser: h.Guest.User, GuestPassword: guestPassword, Datastores: h.Datastores,
		Timeouts: h.Deadlines.vmrun(), Log: log}, nil
}

// VCB reads the password and gives the driver of vcbMounter.
func (h Host) VCB(log *slog.Logger) (*vcb.Client, error) {
	password, err := h.Password.Read()
	if err != nil {
		return nil, fmt.Errorf("login to %s: %w", h, err)
	}
	return &vcb.Client{Program: h.Mounter, Host: h.Address, Port: h.Port, User: h.User, Password: password, Mode: h.Mode,
		Monolithic: h.Monolithic, Timeouts: h.Deadlines.vcb(), Log: log}, nil
}
