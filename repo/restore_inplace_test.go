package repo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"granary/repo"
	"granary/repo/format"
)

// grain is that of a smallRepo.
const grain = 16 * kib

// guestDisk is noise of several leaves with a hole of more than a leaf, and
// ends in the middle of a grain.
func guestDisk() []byte {
	disk := sample(7, 14*mib+1000)
	clear(disk[3*mib+100 : 9*mib+200])
	return disk
}

// storeDisk stores a disk that its owner may read and write.
func storeDisk(t *testing.T, r *repo.Repo, disk []byte, parent *repo.Generation) *repo.Generation {
	t.Helper()
	g := mustStore(t, r, disk, parent)
	g.Files[0].Mode = 0o600
	return g
}

// inPlace restores the disk in place, in a folder of its own that held old.
func inPlace(t *testing.T, r *repo.Repo, g *repo.Generation, old []byte) (dir string, report repo.RestoreReport, err error) {
	t.Helper()
	dir = t.TempDir()
	writeFile(t, filepath.Join(dir, "disk.vmdk"), old)
	report, err = r.Restore(t.Context(), g, nil, dir, repo.RestoreOptions{InPlace: true})
	return dir, report, err
}

// changed gives a copy of b after change.
func changed(b []byte, change func(b []byte) []byte) []byte { return change(bytes.Clone(b)) }

func TestInPlaceWritesWhatDiffers(t *testing.T) {
	r := openRepo(t, smallRepo(t), nil)
	disk := guestDisk()
	g := storeDisk(t, r, disk, nil)
	size := int64(len(disk))
	inData, inHole := 1*mib+5, 5*mib+5 // within a grain each
	for _, c := range []struct {
		what                      string
		old                       []byte
		different, written, holes int64
	}{
		{"nothing", disk, 0, 0, 0},
		{"a byte of data", changed(disk, func(b []byte) []byte { b[inData] ^= 1; return b }), grain, grain, 0},
		{"a byte in a hole", changed(disk, func(b []byte) []byte { b[inHole] = 1; return b }), grain, 0, grain},
		{"the last byte", changed(disk, func(b []byte) []byte { b[size-1] ^= 1; return b }), size % grain, size % grain, 0},
		{"zeros for data", changed(disk, func(b []byte) []byte { clear(b[mib : 2*mib]); return b }), mib, mib, 0},
		{"data for zeros", changed(disk, func(b []byte) []byte { copy(b[4*mib:8*mib], sample(8, 4*mib)); return b }), 4 * mib, 0, 4 * mib},
		{"it is shorter", disk[:10*mib], size - 10*mib, size - 10*mib, 0},
		{"it ends in a hole", disk[:6*mib], size - 9*mib, size - 9*mib, 0},
		{"it is longer", append(bytes.Clone(disk), sample(9, mib)...), mib, 0, 0},
		{"it is empty", nil, size - 6*mib + grain, size - 6*mib + grain, 0},
		{"grains that lie elsewhere", changed(disk, func(b []byte) []byte { copy(b[mib:], disk[2*mib:2*mib+grain]); return b }), grain, grain, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir, report, err := inPlace(t, r, g, c.old)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(readFile(t, filepath.Join(dir, "disk.vmdk")), disk) {
				t.Error("other bytes")
			}
			if got := fmt.Sprint(tree(t, dir)); got != "[disk.vmdk]" {
				t.Errorf("there is %s", got)
			}
			if report.DifferentBytes != c.different || report.WrittenBytes+report.PunchedBytes != c.written+c.holes ||
				report.PunchedBytes > c.holes || report.ReadBytes > min(size, int64(len(c.old)))+grain {
				t.Errorf("report %+v, want %d different, %d written, %d made holes", report, c.different, c.written, c.holes)
			}
		})
	}
}

// Whatever was changed on a disk, it comes back, for no more writing than the
// grains that were changed.
func TestInPlaceAfterRandomChanges(t *testing.T) {
	r := openRepo(t, smallRepo(t), nil)
	disk := guestDisk()
	g := storeDisk(t, r, disk, nil)
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	for range 12 {
		old := bytes.Clone(disk)
		touched := map[int]bool{}
		for range 1 + random.IntN(20) {
			from := random.IntN(len(old))
			part := old[from:min(from+1+random.IntN(300*kib), len(old))]
			if random.IntN(3) == 0 {
				clear(part)
			} else {
				copy(part, sample(random.Uint64(), len(part)))
			}
			for i := from / grain; i*grain < from+len(part); i++ {
				touched[i] = true
			}
		}
		old = old[:len(old)-random.IntN(2)*random.IntN(mib)]
		for i := len(old) / grain; i*grain < len(disk); i++ {
			touched[i] = true
		}
		dir, report, err := inPlace(t, r, g, old)
		if err != nil || !bytes.Equal(readFile(t, filepath.Join(dir, "disk.vmdk")), disk) {
			t.Fatalf("seed %d: other bytes, %v", seed, err)
		}
		if most := int64(len(touched) * grain); report.WrittenBytes+report.PunchedBytes > most || report.DifferentBytes > most {
			t.Errorf("seed %d: %+v for %d bytes of changed grains", seed, report, most)
		}
	}
}

// Grains that are stored as patches of others come back as well, from the older
// state and from nothing.
func TestInPlaceOfPatches(t *testing.T) {
	r := openRepo(t, smallRepo(t), nil)
	older := guestDisk()
	parent := storeDisk(t, r, older, nil)
	disk := bytes.Clone(older)
	const pages = 19 // all before the hole
	for i := range pages {
		copy(disk[(10*i+3)*grain:], sample(uint64(i), 512))
	}
	g := storeDisk(t, r, disk, parent)
	packOf(t, g, format.Patches) // else this shows nothing
	for what, c := range map[string]struct {
		old     []byte
		written int64
	}{
		"from the older state": {older, pages * grain},
		"from nothing":         {nil, int64(len(disk)) - 6*mib + grain},
	} {
		dir, report, err := inPlace(t, r, g, c.old)
		if err != nil || report.WrittenBytes != c.written || !bytes.Equal(readFile(t, filepath.Join(dir, "disk.vmdk")), disk) {
			t.Errorf("%s: %+v, %v; want %d bytes written", what, report, err, c.written)
		}
	}
}

func TestInPlaceDescribesAndCreates(t *testing.T) {
	r := openRepo(t, smallRepo(t), small())
	g, contents := restorable(t, r)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "web.vmx"), []byte("displayName = \"other\"\n"))
	writeFile(t, filepath.Join(dir, "mine"), []byte("x"))
	var done int64
	progress := make(chan int64, 1000)
	if _, err := r.Restore(t.Context(), g, nil, dir, repo.RestoreOptions{InPlace: true, Progress: func(n int64) { progress <- n }}); err != nil {
		t.Fatal(err)
	}
	close(progress)
	for n := range progress {
		done += n
	}
	if want := repo.LogicalBytes(g.Manifest); done != want {
		t.Errorf("progress tells of %d bytes, want %d", done, want)
	}
	for _, f := range g.Files {
		name := filepath.Join(dir, filepath.FromSlash(f.Path))
		info, err := os.Stat(name)
		if err != nil || info.ModTime().UnixNano() != f.ModTime || info.Mode().Perm() != 0o640 || !bytes.Equal(readFile(t, name), contents[f.Path]) {
			t.Errorf("%s: %v of %v, %v", f.Path, info.Mode(), info.ModTime(), err)
		}
	}
	if string(readFile(t, filepath.Join(dir, "mine"))) != "x" {
		t.Error("a file of somebody else was changed")
	}
}

// What cannot be rewritten is refused before anything is.
func TestInPlaceRefuses(t *testing.T) {
	r := openRepo(t, smallRepo(t), small())
	g, _ := restorable(t, r)
	for _, c := range []struct {
		what string
		set  func(dir string) error
		is   error
		says string
	}{
		{"a folder in its way", func(dir string) error { return os.Mkdir(filepath.Join(dir, "web.log"), 0o700) }, nil, "is not a regular file"},
		{"a link to a file", func(dir string) error { return os.Symlink("web.vmx", filepath.Join(dir, "web.log")) }, nil, "is not a regular file"},
		{"a link that leads outside", func(dir string) error { return os.Symlink("../precious", filepath.Join(dir, "web.log")) }, nil, "is not a regular file"},
		{"a folder that leads outside", func(dir string) error { return os.Symlink("..", filepath.Join(dir, "external")) }, nil, "escapes"},
		{"a rest beside a new file", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "web.vmx.granary-partial"), nil, 0o600)
		}, nil, "remove one of the two"},
		{"a running VM", func(dir string) error {
			return errors.Join(os.Mkdir(filepath.Join(dir, "web.vmx.lck"), 0o700), os.WriteFile(filepath.Join(dir, "web.vmx.lck", "M12345.lck"), nil, 0o600))
		}, repo.ErrInUse, `"web.vmx" is locked by "web.vmx.lck/M12345.lck"`},
		{"a lock of old products", func(dir string) error { return os.WriteFile(filepath.Join(dir, "web-flat.vmdk.lck"), nil, 0o600) }, repo.ErrInUse, "web-flat.vmdk.lck"},
	} {
		t.Run(c.what, func(t *testing.T) {
			base := t.TempDir()
			dir := filepath.Join(base, "vm")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			writeFile(t, filepath.Join(base, "precious"), []byte("precious"))
			writeFile(t, filepath.Join(dir, "web.vmx"), []byte("old"))
			if err := c.set(dir); err != nil {
				t.Fatal(err)
			}
			before := fmt.Sprint(tree(t, base))
			_, err := r.Restore(t.Context(), g, nil, dir, repo.RestoreOptions{InPlace: true})
			if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Restore = %v, want %q", err, c.says)
			}
			if after := fmt.Sprint(tree(t, base)); after != before {
				t.Errorf("there is %s, was %s", after, before)
			}
			if string(readFile(t, filepath.Join(dir, "web.vmx"))) != "old" || string(readFile(t, filepath.Join(base, "precious"))) != "precious" {
				t.Error("something was written")
			}
		})
	}
}

// A lock of one file keeps all of the VM: a running VM locks its .vmx and the
// descriptors of its disks, not their extents. An empty lock folder, which a VM
// leaves behind that was stopped, does not.
func TestInPlaceLooksAtTheLocksOfAllFiles(t *testing.T) {
	r := openRepo(t, smallRepo(t), small())
	g, contents := restorable(t, r)
	dir := t.TempDir()
	disk, lock := filepath.Join(dir, "web-flat.vmdk"), filepath.Join(dir, "web.vmx.lck")
	writeFile(t, disk, []byte("old"))
	if err := os.Mkdir(lock, 0o700); err != nil {
		t.Fatal(err)
	}
	member := filepath.Join(lock, "M00001.lck")
	writeFile(t, member, nil)
	restore := func() error {
		_, err := r.Restore(t.Context(), g, []string{"web-flat.vmdk"}, dir, repo.RestoreOptions{InPlace: true})
		return err
	}
	if err := restore(); !errors.Is(err, repo.ErrInUse) || string(readFile(t, disk)) != "old" {
		t.Errorf("Restore of a running VM's disk = %v", err)
	}
	if err := os.Remove(member); err != nil {
		t.Fatal(err)
	}
	if err := restore(); err != nil || !bytes.Equal(readFile(t, disk), contents["web-flat.vmdk"]) {
		t.Errorf("Restore beside an empty lock = %v", err)
	}
}

// An interrupted file has no name under which a VM would start it, and the same
// call finishes it, wherever it was interrupted.
func TestInterruptedInPlaceIsFinished(t *testing.T) {
	r := openRepo(t, smallRepo(t), nil)
	disk := guestDisk()
	g := storeDisk(t, r, disk, nil)
	old := sample(8, 15*mib)
	for _, name := range []string{"disk.vmdk", strings.Repeat("n", 250)} {
		g := &repo.Generation{Manifest: renamed(g.Manifest, name), Name: g.Name}
		for spans := 1; spans < 9; spans += 3 {
			t.Run(fmt.Sprintf("%.10s, after %d", name, spans), func(t *testing.T) {
				dir := t.TempDir()
				writeFile(t, filepath.Join(dir, name), old)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				calls := make(chan struct{}, spans)
				_, err := r.Restore(ctx, g, nil, dir, repo.RestoreOptions{InPlace: true, Progress: func(int64) {
					select {
					case calls <- struct{}{}:
					default:
						cancel()
					}
				}})
				left := tree(t, dir)
				if !errors.Is(err, context.Canceled) || len(left) != 1 || left[0] == name || !strings.HasSuffix(left[0], ".granary-partial") {
					t.Fatalf("Restore = %v, and there is %v", err, left)
				}
				if !strings.Contains(err.Error(), filepath.Join(dir, left[0])+" is neither the old file nor the new one now: the same command finishes it") {
					t.Errorf("Restore = %v", err)
				}
				report, err := r.Restore(t.Context(), g, nil, dir, repo.RestoreOptions{InPlace: true})
				if err != nil || !bytes.Equal(readFile(t, filepath.Join(dir, name)), disk) || len(tree(t, dir)) != 1 {
					t.Errorf("once more: %v, and there is %v", err, tree(t, dir))
				}
				if report.DifferentBytes >= int64(len(disk)) {
					t.Errorf("what was done before is done again: %+v", report)
				}
			})
		}
	}
}

// What ends a restore ends it, though damage was met before.
func TestInterruptionCountsForMoreThanDamage(t *testing.T) {
	dir := smallRepo(t)
	disk := guestDisk()
	g := storeDisk(t, openRepo(t, dir, nil), disk, nil)
	file := packFile(dir, g, packOf(t, g, format.Data).Number)
	b := readFile(t, file)
	b[format.PackHeaderSize+50] ^= 1 // in the first span
	writeFile(t, file, b)
	m := renamed(g.Manifest, "a.vmdk")
	m.Files = append(m.Files, renamed(g.Manifest, "b.vmdk").Files[0])
	target := t.TempDir()
	old := sample(8, len(disk))
	for _, f := range m.Files {
		writeFile(t, filepath.Join(target, f.Path), old)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var done atomic.Int64
	_, err := openRepo(t, dir, nil).Restore(ctx, &repo.Generation{Manifest: m, Name: g.Name}, nil, target, repo.RestoreOptions{InPlace: true, Progress: func(n int64) {
		if done.Add(n) > 10*mib {
			cancel()
		}
	}})
	var damage *repo.DamageError
	if !errors.Is(err, context.Canceled) || errors.As(err, &damage) {
		t.Errorf("Restore = %v", err)
	}
	if !bytes.Equal(readFile(t, filepath.Join(target, "b.vmdk")), old) {
		t.Error("the next file was begun")
	}
}

// renamed is a manifest of one file with another name for it.
func renamed(m *format.Manifest, name string) *format.Manifest {
	other := *m
	other.Files = []format.File{m.Files[0]}
	other.Files[0].Path = name
	return &other
}

// Damage costs its range the new bytes, and nothing else.
func TestInPlaceOfDamageKeepsTheOldRange(t *testing.T) {
	dir := smallRepo(t)
	disk := guestDisk()
	g := storeDisk(t, openRepo(t, dir, nil), disk, nil)
	old := sample(8, len(disk))
	for _, c := range []struct {
		what     string
		kind     format.PackKind
		from, to int // lost
	}{
		{"a grain", format.Data, 0, grain},
		{"a node", format.Nodes, 0, 4 * mib},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := copyOf(t, dir)
			file := packFile(dir, g, packOf(t, g, c.kind).Number)
			b := readFile(t, file)
			b[format.PackHeaderSize+50] ^= 1 // the first
			writeFile(t, file, b)
			r := openRepo(t, dir, nil)
			target, report, err := inPlace(t, r, g, old)
			var damage *repo.DamageError
			if !errors.As(err, &damage) || damage.File != "disk.vmdk" || damage.Offset != int64(c.from) ||
				!strings.Contains(err.Error(), fmt.Sprintf(": %d bytes keep what they were: ", c.to-c.from)) {
				t.Errorf("Restore = %v", err)
			}
			want := bytes.Clone(disk)
			copy(want[c.from:c.to], old[c.from:c.to])
			if got := readFile(t, filepath.Join(target, "disk.vmdk")); !bytes.Equal(got, want) {
				t.Error("other bytes")
			}
			if report.WrittenBytes == 0 || len(tree(t, target)) != 1 {
				t.Errorf("%+v, and there is %v", report, tree(t, target))
			}
			// What is damaged is not needed where the file has it.
			if c.kind == format.Data {
				if target, _, err := inPlace(t, r, g, disk[:10*mib]); err != nil || !bytes.Equal(readFile(t, filepath.Join(target, "disk.vmdk")), disk) {
					t.Errorf("Restore of what is not damaged = %v", err)
				}
			}
		})
	}
}
