package repo

import "granary/repo/format"

// decodeSlack is what the decoder may write past a grain that it has room for:
// it copies faster so.
const decodeSlack = 16

// spareBuffers is how many buffers wait for their next use.
const spareBuffers = 64

// grainBuffers are the memory of decoded grains, used again and again: to make
// and to collect it costs a tenth of the decoding.
type grainBuffers struct {
	size  int
	spare chan []byte
}

func newGrainBuffers(grain int) grainBuffers {
	// A patch, before it is applied, may be longer than the grain.
	return grainBuffers{size: max(format.MaxPatch(grain), format.NodeSize) + decodeSlack, spare: make(chan []byte, spareBuffers)}
}

// get gives a buffer of n bytes with decodeSlack behind them, of any content.
func (b grainBuffers) get(n int) []byte {
	if n+decodeSlack > b.size {
		return make([]byte, n, n+decodeSlack)
	}
	select {
	case p := <-b.spare:
		return p[:n]
	default:
		return make([]byte, n, b.size)
	}
}

// put takes a buffer back that get gave, and that nobody uses any more.
func (b grainBuffers) put(p []byte) {
	if cap(p) < b.size {
		return
	}
	select {
	case b.spare <- p:
	default:
	}
}
