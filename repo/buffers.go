package repo

import "context"

// buffers are lent to one writer: a few of its own, and those that all writers
// of a Repo share, so that many writers take little more memory than one. With
// its own a writer gets on, though others hold all the shared ones while they
// wait for a source or a disk.
type buffers[T any] struct {
	own, shared chan T
}

// newBuffers gives n buffers that are yet to be made: zero values.
func newBuffers[T any](n int) chan T {
	c := make(chan T, n)
	for range n {
		var none T
		c <- none
	}
	return c
}

// loan is a buffer that has to be given back to where it is from.
type loan[T any] struct {
	buffer T
	home   chan T
}

// borrow waits for a buffer.
func (b buffers[T]) borrow(ctx context.Context) (loan[T], error) {
	select {
	case buffer := <-b.own:
		return loan[T]{buffer, b.own}, nil
	default:
	}
	select {
	case buffer := <-b.own:
		return loan[T]{buffer, b.own}, nil
	case buffer := <-b.shared:
		return loan[T]{buffer, b.shared}, nil
	case <-ctx.Done():
		return loan[T]{}, ctx.Err()
	}
}
