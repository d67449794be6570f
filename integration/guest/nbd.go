//go:build linux

package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Numbers of the NBD protocol, as far as one synchronous client needs them.
const (
	nbdMagic         = 0x4e42444d41474943
	nbdOptionMagic   = 0x49484156454f5054
	nbdRequestMagic  = 0x25609513
	nbdReplyMagic    = 0x67446698
	nbdFixedNewstyle = 1
	nbdNoZeroes      = 2
	nbdOptExportName = 1

	nbdRead       = 0
	nbdWrite      = 1
	nbdDisconnect = 2
	nbdFlush      = 3

	// One request moves at most this much; qemu-nbd accepts 32 MiB.
	nbdMaxTransfer = 1 << 20
	// A server that does not answer for so long is as good as dead.
	nbdTimeout = 60 * time.Second
)

// nbdClient speaks NBD (newstyle, fixed) over one connection, one request at a
// time. It is safe for concurrent use.
type nbdClient struct {
	mu     sync.Mutex // held for one request and its reply
	conn   net.Conn
	size   int64
	handle uint64
}

// dialNBD connects to the server at the unix socket and opens its only export.
func dialNBD(socket string) (*nbdClient, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, err
	}
	c := &nbdClient{conn: conn}
	if err := c.handshake(); err != nil {
		conn.Close()
		return nil, fmt.Errorf("nbd handshake: %w", err)
	}
	return c, nil
}

func (c *nbdClient) handshake() error {
	if err := c.conn.SetDeadline(time.Now().Add(nbdTimeout)); err != nil {
		return err
	}
	var hello [18]byte
	if _, err := io.ReadFull(c.conn, hello[:]); err != nil {
		return err
	}
	flags := binary.BigEndian.Uint16(hello[16:])
	if binary.BigEndian.Uint64(hello[:]) != nbdMagic ||
		binary.BigEndian.Uint64(hello[8:]) != nbdOptionMagic || flags&nbdFixedNewstyle == 0 {
		return errors.New("not a fixed newstyle server")
	}
	noZeroes := flags&nbdNoZeroes != 0

	answer := binary.BigEndian.AppendUint32(nil, uint32(flags&(nbdFixedNewstyle|nbdNoZeroes)))
	answer = binary.BigEndian.AppendUint64(answer, nbdOptionMagic)
	answer = binary.BigEndian.AppendUint32(answer, nbdOptExportName)
	answer = binary.BigEndian.AppendUint32(answer, 0) // the export without a name
	if _, err := c.conn.Write(answer); err != nil {
		return err
	}
	export := make([]byte, 10, 134)
	if !noZeroes {
		export = export[:134]
	}
	if _, err := io.ReadFull(c.conn, export); err != nil {
		return err
	}
	c.size = int64(binary.BigEndian.Uint64(export))
	return nil
}

// ReadAt reads len(p) bytes at off.
func (c *nbdClient) ReadAt(p []byte, off int64) (int, error) {
	return c.transfer(nbdRead, p, off)
}

// WriteAt writes p at off; it returns once the server has completed the write.
func (c *nbdClient) WriteAt(p []byte, off int64) (int, error) {
	return c.transfer(nbdWrite, p, off)
}

func (c *nbdClient) transfer(command uint16, p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n := min(len(p)-done, nbdMaxTransfer)
		if err := c.request(command, p[done:done+n], off+int64(done)); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// Flush makes what was written durable.
func (c *nbdClient) Flush() error { return c.request(nbdFlush, nil, 0) }

// Close says goodbye, upon which the server closes the disk in good order.
func (c *nbdClient) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.conn.Write(c.header(nbdDisconnect, 0, 0))
	return errors.Join(err, c.conn.Close())
}

// header returns the bytes that begin a request. The caller holds mu.
func (c *nbdClient) header(command uint16, off int64, length int) []byte {
	c.handle++
	h := binary.BigEndian.AppendUint32(make([]byte, 0, 28+length), nbdRequestMagic)
	h = binary.BigEndian.AppendUint16(h, 0)
	h = binary.BigEndian.AppendUint16(h, command)
	h = binary.BigEndian.AppendUint64(h, c.handle)
	h = binary.BigEndian.AppendUint64(h, uint64(off))
	return binary.BigEndian.AppendUint32(h, uint32(length))
}

func (c *nbdClient) request(command uint16, p []byte, off int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.conn.SetDeadline(time.Now().Add(nbdTimeout)); err != nil {
		return fmt.Errorf("nbd request: %w", err)
	}
	message := c.header(command, off, len(p))
	if command == nbdWrite {
		message = append(message, p...)
	}
	if _, err := c.conn.Write(message); err != nil {
		return fmt.Errorf("nbd request: %w", err)
	}
	var reply [16]byte
	if _, err := io.ReadFull(c.conn, reply[:]); err != nil {
		return fmt.Errorf("nbd reply: %w", err)
	}
	if binary.BigEndian.Uint32(reply[:]) != nbdReplyMagic || binary.BigEndian.Uint64(reply[8:]) != c.handle {
		return errors.New("nbd reply: out of step")
	}
	if code := binary.BigEndian.Uint32(reply[4:]); code != 0 {
		return fmt.Errorf("nbd command %d at %d: server error %d", command, off, code)
	}
	if command == nbdRead {
		if _, err := io.ReadFull(c.conn, p); err != nil {
			return fmt.Errorf("nbd data: %w", err)
		}
	}
	return nil
}
