package repo_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/iotest"

	"granary/repo"
)

// cursor reads a File from its start; ReadAt is the File's own.
type cursor struct {
	*io.SectionReader
	file *repo.File
}

func (c cursor) ReadAt(p []byte, off int64) (int, error) { return c.file.ReadAt(p, off) }

func TestFileIsAReaderAt(t *testing.T) {
	r := openRepo(t, smallRepo(t), nil)
	for _, size := range []int{1, 100, 16 * kib, 40*kib + 7} {
		content := sample(uint64(size), size)
		clear(content[size/2 : size/2+size/4])
		g := mustStore(t, r, content, nil)
		f, err := r.OpenFile(g, "disk.vmdk")
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(cursor{io.NewSectionReader(f, 0, f.Size()), f}, content); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestReadAtEdges(t *testing.T) {
	r := openRepo(t, smallRepo(t), nil)
	content := sample(1, 20*kib)
	f, err := r.OpenFile(mustStore(t, r, content, nil), "disk.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	size := int64(len(content))
	for _, c := range []struct {
		off  int64
		n    int
		want int
		err  error
	}{
		{0, 0, 0, nil}, {size - 1, 0, 0, nil}, {0, 1, 1, nil}, {size - 1, 1, 1, nil}, {size - 1, 2, 1, io.EOF},
		{size, 1, 0, io.EOF}, {size + 1, 1, 0, io.EOF}, {1 << 62, 1, 0, io.EOF}, {0, int(size), int(size), nil}, {0, int(size) + 1, int(size), io.EOF},
	} {
		p := bytes.Repeat([]byte{0xee}, c.n+1)
		n, err := f.ReadAt(p[:c.n], c.off)
		if n != c.want || !(err == c.err || err == io.EOF && c.off+int64(n) == size) {
			t.Errorf("ReadAt(%d bytes, %d) = %d, %v, want %d, %v", c.n, c.off, n, err, c.want, c.err)
		}
		if n > 0 && !bytes.Equal(p[:n], content[c.off:c.off+int64(n)]) || p[c.n] != 0xee {
			t.Errorf("ReadAt(%d bytes, %d) reads other bytes, or writes past its buffer", c.n, c.off)
		}
	}
	if n, err := f.ReadAt(make([]byte, 1), -1); n != 0 || err == nil || errors.Is(err, io.EOF) {
		t.Errorf("ReadAt before the start = %d, %v", n, err)
	}
}

// Many goroutines read anywhere, with a cache that holds next to nothing.
func TestReadAtAnywhere(t *testing.T) {
	dir := smallRepo(t)
	content := sample(5, 5*mib+777) // two leaves
	clear(content[mib : 2*mib])
	clear(content[4*mib-5 : 4*mib+100*kib])
	g := mustStore(t, openRepo(t, dir, nil), content, nil)
	f, err := openRepo(t, dir, &repo.Options{CacheBytes: 100 * kib}).OpenFile(g, "disk.vmdk")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for seed := range uint64(6) {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, 0))
			off := 0
			for range 60 {
				if random.IntN(3) == 0 {
					off = random.IntN(len(content))
				}
				p := make([]byte, 1+random.IntN([]int{100, 40 * kib, mib}[random.IntN(3)]))
				n, err := f.ReadAt(p, int64(off))
				if want := content[off:min(len(content), off+len(p))]; !bytes.Equal(p[:n], want) || n < len(p) && err != io.EOF || n == len(p) && err != nil && err != io.EOF {
					t.Errorf("ReadAt(%d bytes, %d) = %d, %v", len(p), off, n, err)
				}
				if off += n; off == len(content) {
					off = 0
				}
			}
		})
	}
	wg.Wait()
}

// NextData leads through the data and nothing else.
func TestNextDataFindsAllData(t *testing.T) {
	const grain = 16 * kib
	r := openRepo(t, smallRepo(t), nil)
	for what, data := range map[string][][2]int{ // in grains
		"a hole":                 {},
		"at the start":           {{0, 1}},
		"at the end":             {{599, 600}},
		"across leaves":          {{250, 520}},
		"every other":            {{1, 2}, {3, 4}, {5, 6}},
		"an empty leaf between":  {{10, 20}, {590, 595}},
		"the border of a leaf":   {{255, 256}, {257, 258}},
		"all of it":              {{0, 600}},
		"the first grain is not": {{1, 600}},
	} {
		t.Run(what, func(t *testing.T) {
			content := make([]byte, 600*grain)
			for _, d := range data {
				for at := d[0] * grain; at < d[1]*grain; at += grain {
					content[at+at%977] = 1
				}
			}
			f, err := r.OpenFile(mustStore(t, r, content, nil), "disk.vmdk")
			if err != nil {
				t.Fatal(err)
			}
			var got [][2]int
			for off := int64(0); ; {
				start, end, err := f.NextData(off)
				if err == io.EOF {
					break
				}
				if err != nil || start < off || end <= start || end > f.Size() {
					t.Fatalf("NextData(%d) = %d, %d, %v", off, start, end, err)
				}
				got, off = append(got, [2]int{int(start / grain), int(end / grain)}), end
			}
			if len(got) != len(data) {
				t.Fatalf("data lies at %v, want %v", got, data)
			}
			for i := range got {
				if got[i] != data[i] {
					t.Errorf("data lies at %v, want %v", got, data)
				}
			}
			for _, d := range data {
				inside := int64(d[0]*grain + 5)
				if start, end, err := f.NextData(inside); start != inside || end != int64(d[1]*grain) || err != nil {
					t.Errorf("NextData(%d) = %d, %d, %v", inside, start, end, err)
				}
			}
			for _, off := range []int64{f.Size(), f.Size() + 1, 1 << 60} {
				if _, _, err := f.NextData(off); err != io.EOF {
					t.Errorf("NextData(%d) = %v", off, err)
				}
			}
		})
	}
}
