package index_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/index"
	"granary/repo/format"
)

// grain is the i-th of endless IDs.
func grain(i uint64) format.ID {
	var id format.ID
	binary.LittleEndian.PutUint64(id[:], i+1)
	return id
}

// table is a pack with the grains from to from+n-1.
func table(session byte, number uint32, from uint64, n int) format.PackTable {
	t := format.PackTable{Name: format.PackName{Session: format.SessionID{session}, Number: number}, Kind: format.Data}
	for i := range n {
		t.Entries = append(t.Entries, format.Entry{ID: grain(from + uint64(i)), Stored: 100 + uint32(i), Plain: 65536, Encoding: format.Zstd})
	}
	return t
}

func open(t *testing.T, dir string) *index.Index {
	t.Helper()
	x, err := index.Open(filepath.Join(dir, "index"), filepath.Join(dir, "locks"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Close)
	return x
}

func find(t *testing.T, x *index.Index, ids ...format.ID) []index.Place {
	t.Helper()
	places := make([]index.Place, len(ids))
	if err := x.View(t.Context(), func(v *index.View) error { return v.Find(ids, places) }); err != nil {
		t.Fatal(err)
	}
	return places
}

func TestFindsWhatWasMerged(t *testing.T) {
	x := open(t, t.TempDir())
	if got := find(t, x, grain(1))[0]; !got.IsZero() {
		t.Errorf("an empty index knows %v", got)
	}
	a, b := table(1, 1, 0, 300), table(2, 7, 1000, 3)
	for _, packs := range [][]format.PackTable{{a}, {a, b}} {
		if err := x.Merge(t.Context(), packs); err != nil {
			t.Fatal(err)
		}
	}
	got := find(t, x, grain(0), grain(299), format.ID{}, grain(500), grain(1002))
	want := []index.Place{index.Places(a)[0], index.Places(a)[299], {}, {}, index.Places(b)[2]}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("place %d = %+v, want %+v", i, got[i], want[i])
		}
	}
	if got[0].Offset != format.PackHeaderSize || got[1].Offset <= got[0].Offset {
		t.Errorf("offsets %d and %d do not follow the pack", got[0].Offset, got[1].Offset)
	}
}

func TestKnowsWhichPacksItHas(t *testing.T) {
	x := open(t, t.TempDir())
	a := table(1, 1, 0, 3)
	if err := x.Merge(t.Context(), []format.PackTable{a}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[format.PackName]bool{a.Name: true, {Session: a.Name.Session, Number: 2}: false} {
		err := x.View(t.Context(), func(v *index.View) error {
			got, err := v.Has(name)
			if got != want {
				t.Errorf("Has(%v) = %t", name, got)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Damage of any file of the database costs the cache, never an error.
func TestDamageIsThrownAway(t *testing.T) {
	for _, damage := range []string{"deleted", "truncated", "garbage", "folder deleted"} {
		t.Run(damage, func(t *testing.T) {
			dir := t.TempDir()
			x := open(t, dir)
			if err := x.Merge(t.Context(), []format.PackTable{table(1, 1, 0, 3000)}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond) // let a view that lingers go
			if damage == "folder deleted" {
				if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
					t.Fatal(err)
				}
			} else {
				spoilAll(t, filepath.Join(dir, "index"), damage)
			}
			find(t, x, grain(1))
			if err := x.Merge(t.Context(), []format.PackTable{table(2, 1, 5000, 10)}); err != nil {
				t.Fatal(err)
			}
			if got := find(t, x, grain(5000))[0]; got.IsZero() {
				t.Error("a merge after the damage is not found")
			}
		})
	}
}

func spoilAll(t *testing.T, dir, damage string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		switch damage {
		case "deleted":
			if filepath.Ext(path) == ".sst" {
				return os.Remove(path)
			}
		case "truncated":
			return os.Truncate(path, 10)
		case "garbage":
			return os.WriteFile(path, []byte(strings.Repeat("garbage ", 500)), 0o600)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The test binary run again with this set is one of several processes.
const roleVariable = "GRANARY_INDEX_TEST"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(role); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// play merges ("merge DIR SESSION") or looks up over and over ("find DIR 0").
func play(role string) error {
	words := strings.Fields(role)
	x, err := index.Open(filepath.Join(words[1], "index"), filepath.Join(words[1], "locks"), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer x.Close()
	session, err := strconv.ParseUint(words[2], 10, 8)
	if err != nil {
		return err
	}
	ctx := context.Background()
	for i := range uint64(25) {
		if words[0] == "merge" {
			if err := x.Merge(ctx, []format.PackTable{table(byte(session), uint32(i+1), session<<32+i*100, 100)}); err != nil {
				return err
			}
			continue
		}
		ids, places := []format.ID{grain(i), grain(1<<32 + i)}, make([]index.Place, 2)
		if err := x.View(ctx, func(v *index.View) error { return v.Find(ids, places) }); err != nil {
			return err
		}
		time.Sleep(4 * time.Millisecond)
	}
	return nil
}

func process(ctx context.Context, role string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = os.Stderr
	return cmd
}

// Writers and readers in many processes wait for each other and never fail.
func TestManyProcesses(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for i := range 6 {
		role := fmt.Sprintf("merge %s %d", dir, i+1)
		if i >= 3 {
			role = fmt.Sprintf("find %s 0", dir)
		}
		wg.Go(func() {
			if err := process(t.Context(), role).Run(); err != nil {
				t.Errorf("%s: %v", role, err)
			}
		})
	}
	wg.Wait()
	x := open(t, dir)
	for session := range uint64(3) {
		for i := range uint64(2500) {
			if find(t, x, grain((session+1)<<32+i))[0].IsZero() {
				t.Fatalf("grain %d of session %d is lost", i, session+1)
			}
		}
	}
}

// A writer killed at any moment leaves an index that opens.
func TestKilledWriter(t *testing.T) {
	dir := t.TempDir()
	x := open(t, dir)
	for i := range 8 {
		cmd := process(t.Context(), fmt.Sprintf("merge %s %d", dir, i+1))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(20+i*37) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		find(t, x, grain(1<<32))
		if err := x.Merge(t.Context(), []format.PackTable{table(100+byte(i), 1, uint64(i+100)<<32, 10)}); err != nil {
			t.Fatal(err)
		}
		if find(t, x, grain(uint64(i+100)<<32))[0].IsZero() {
			t.Fatal("a merge after the kill is not found")
		}
	}
}
