//go:build linux

package standin

import (
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"granary/integration/guest"
)

// What a call may ask of a guest.
const (
	doStatus   = "status"
	doPause    = "pause"
	doUnpause  = "unpause"
	doQuiesce  = "quiesce"
	doResume   = "resume"
	doFreeze   = "freeze" // lasts until thaw, or until the connection ends
	doThaw     = "thaw"
	doShutdown = "shutdown"
	doKill     = "kill"
)

// Requests and replies go as gob: unlike JSON it leaves paths as they are.
type request struct {
	Do    string
	Flag  guest.Flag
	Disks []string
}

type reply struct {
	Error  string
	Status guest.Status
}

// controlDeadline bounds one request to a guest.
const controlDeadline = time.Minute

// control is a connection to a living guest.
type control struct {
	conn     net.Conn
	requests *gob.Encoder
	replies  *gob.Decoder
}

// socketPath calls use with a path of the guest's socket that is short enough
// for one, however deep the state directory lies.
func (v *vm) socketPath(use func(path string) error) error {
	dir, err := os.Open(v.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	return use(fmt.Sprintf("/proc/self/fd/%d/control", dir.Fd()))
}

func (v *vm) dial() (*control, error) {
	c := &control{}
	err := v.socketPath(func(path string) (err error) {
		c.conn, err = net.Dial("unix", path)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reach guest: %w", err)
	}
	c.requests, c.replies = gob.NewEncoder(c.conn), gob.NewDecoder(c.conn)
	return c, nil
}

func (c *control) close() { c.conn.Close() }

func (c *control) ask(q request) (reply, error) {
	var r reply
	if err := c.conn.SetDeadline(time.Now().Add(controlDeadline)); err != nil {
		return r, fmt.Errorf("ask guest: %w", err)
	}
	if err := c.requests.Encode(q); err != nil {
		return r, fmt.Errorf("ask guest: %w", err)
	}
	if err := c.replies.Decode(&r); err != nil {
		return r, fmt.Errorf("ask guest: %w", err)
	}
	if r.Error != "" {
		return r, errors.New(r.Error)
	}
	return r, nil
}

// ask makes one request over a connection of its own.
func (v *vm) ask(q request) (reply, error) {
	c, err := v.dial()
	if err != nil {
		return reply{}, err
	}
	defer c.close()
	return c.ask(q)
}

// Freeze closes the guest's disks. While it lasts, the connection is what tells
// the guest that someone will thaw it.
func (c *control) Freeze(context.Context) error {
	_, err := c.ask(request{Do: doFreeze})
	return err
}

// Thaw lets the guest go on with the disks given.
func (c *control) Thaw(_ context.Context, disks []string) error {
	_, err := c.ask(request{Do: doThaw, Disks: disks})
	return err
}
