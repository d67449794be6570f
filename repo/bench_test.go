package repo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"granary/index"
	"granary/repo/format"
)

// guestLike gives n bytes of which about half can be compressed away.
func guestLike(seed uint64, n int) []byte {
	random := rand.New(rand.NewPCG(seed, 1))
	words := make([][]byte, 4096)
	for i := range words {
		words[i] = make([]byte, 4+random.IntN(12))
		for j := range words[i] {
			words[i][j] = byte(random.Uint32())
		}
	}
	b := make([]byte, 0, n+16)
	for len(b) < n {
		b = append(b, words[int(random.ExpFloat64()*300)%len(words)]...)
	}
	return b[:n]
}

// eachGrain runs one stage of a capture over the grains of data.
func eachGrain(b *testing.B, data []byte, stage func(grain []byte)) {
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		for at := 0; at < len(data); at += format.DefaultGrain {
			stage(data[at : at+format.DefaultGrain])
		}
	}
}

const benchBytes = 8 << 20

// BenchmarkStages are the stages of a capture, on one core.
func BenchmarkStages(b *testing.B) {
	data, noise, holes := guestLike(1, benchBytes), make([]byte, benchBytes), make([]byte, benchBytes)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	tools := newWorker()
	b.Run("zero test/holes", func(b *testing.B) {
		eachGrain(b, holes, func(grain []byte) { format.IsZero(grain) })
	})
	b.Run("zero test/data", func(b *testing.B) {
		eachGrain(b, data, func(grain []byte) { format.IsZero(grain) })
	})
	b.Run("hash", func(b *testing.B) {
		eachGrain(b, data, func(grain []byte) { tools.hasher.ID(format.Data, grain) })
	})
	for name, content := range map[string][]byte{"guest": data, "noise": noise} {
		b.Run("compress/"+name, func(b *testing.B) {
			out := make([]byte, 0, 2*format.DefaultGrain)
			eachGrain(b, content, func(grain []byte) { out = tools.encode(&format.Entry{}, grain, out[:0]) })
		})
	}
	b.Run("patch", func(b *testing.B) {
		base := bytes.Clone(data[:format.DefaultGrain])
		base[20000]++
		eachGrain(b, bytes.Repeat(data[:format.DefaultGrain], len(data)/format.DefaultGrain), func(grain []byte) { tools.patch(base, grain) })
	})
	b.Run("pack", func(b *testing.B) {
		buffer := make([]byte, 0, benchBytes+1<<20)
		b.ReportAllocs()
		b.SetBytes(benchBytes)
		for b.Loop() {
			p := newPacker(format.RepoID{}, format.PackName{Number: 1}, format.Data, loan[[]byte]{buffer: buffer})
			for at := 0; at < benchBytes; at += format.DefaultGrain {
				p.add(format.Entry{ID: format.ID{1, byte(at >> 16)}, Stored: format.DefaultGrain, Plain: format.DefaultGrain}, data[at:at+format.DefaultGrain])
			}
			if err := p.seal(format.RepoID{}, format.DefaultGrain); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// benchRepo has a generation of one file.
func benchRepo(b *testing.B, content []byte) (*Repo, *Generation) {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "repo")
	if err := Init(b.Context(), dir, 0); err != nil {
		b.Fatal(err)
	}
	r, err := Open(b.Context(), dir, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = r.Close() })
	return r, benchCapture(b, r, content, nil)
}

func benchCapture(b *testing.B, r *Repo, content []byte, parent *Generation) *Generation {
	b.Helper()
	w, err := r.NewWriter(b.Context(), "bench", "bench")
	if err != nil {
		b.Fatal(err)
	}
	in := Input{File: format.File{Path: "disk", Role: format.RoleDisk, Size: int64(len(content))}, Content: bytes.NewReader(content)}
	if parent != nil {
		in.Parent = &ParentFile{parent, parent.File("disk")}
	}
	f, err := w.Add(b.Context(), in)
	if err != nil {
		b.Fatal(err)
	}
	g, err := w.Commit(b.Context(), &format.Manifest{VM: "web", Consistency: format.Offline, Files: []format.File{f}})
	if err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return g
}

// BenchmarkCapture stores a disk, stores it again unchanged, and with pages
// changed.
func BenchmarkCapture(b *testing.B) {
	content := guestLike(2, 64<<20)
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			benchRepo(b, content)
		}
	})
	r, parent := benchRepo(b, content)
	b.Run("unchanged", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			benchCapture(b, r, content, parent)
		}
	})
	b.Run("pages", func(b *testing.B) {
		random := rand.New(rand.NewPCG(3, 3))
		b.ReportAllocs()
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			for range 500 {
				at := random.IntN(len(content)/8192) * 8192
				copy(content[at:], guestLike(random.Uint64(), 64))
			}
			benchCapture(b, r, content, parent)
		}
	})
}

// BenchmarkRead reads what lies in the kernel's cache, but not in granary's.
func BenchmarkRead(b *testing.B) {
	content := guestLike(4, 256<<20)
	r, g := benchRepo(b, content)
	f, err := r.OpenFile(g, "disk")
	if err != nil {
		b.Fatal(err)
	}
	leaf, err := f.leaf(b.Context(), 0)
	if err != nil {
		b.Fatal(err)
	}
	places := make([]index.Place, format.Fanout)
	b.Run("look-up of a leaf", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := r.places(b.Context(), leaf.ids[:], places); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("tree walk", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			r.nodes = newNodeCache()
			if _, end, err := f.NextData(0); err != nil || end != f.Size() {
				b.Fatal(end, err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(format.DefaultGrain)
		stored := make([]byte, places[0].Stored)
		if err := r.readPack(b.Context(), places[0].Pack, stored, places[0].Offset); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			plain, err := r.decode(format.Data, wanted{id: leaf.ids[0], place: places[0]}, stored, nil)
			if err != nil {
				b.Fatal(err)
			}
			r.grains.buffers.put(plain)
		}
	})
	for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("random/%d KiB", size>>10), func(b *testing.B) {
			random, p := rand.New(rand.NewPCG(5, 5)), make([]byte, size)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := f.ReadAt(p, random.Int64N(f.Size()-int64(size))&^4095); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("sequential", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			for off := int64(0); off < f.Size(); off += 1 << 20 {
				s, err := f.Stretch(off, 1<<20)
				if err != nil && err != io.EOF {
					b.Fatal(err)
				}
				s.Release()
			}
		}
	})
	b.Run("copy out", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(content)))
		for b.Loop() {
			if _, err := r.Restore(context.Background(), g, nil, filepath.Join(b.TempDir(), "out"), RestoreOptions{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
