package repo_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"granary/repo"
	"granary/repo/format"
	"granary/repo/storage"
)

// The test binary run again with this set is one of several processes.
const roleVariable = "GRANARY_REPO_TEST"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(strings.Fields(role)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process runs the test binary in a role.
func process(ctx context.Context, role ...any) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0])
	// The race detector would wait a second before each exit.
	cmd.Env = append(os.Environ(), roleVariable+"="+strings.TrimSuffix(fmt.Sprintln(role...), "\n"), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	cmd.Stderr = os.Stderr
	return cmd
}

// play captures ("capture DIR VM FROM TO": the variants from FROM up to TO),
// reads all that it finds ("read DIR TIMES"), or stores much at once ("fill DIR
// WRITERS MIB").
func play(role []string) error {
	ctx := context.Background()
	open := func() (*repo.Repo, error) { return repo.Open(ctx, role[1], small()) }
	if role[0] == "fill" {
		open = func() (*repo.Repo, error) {
			return repo.OpenStorage(ctx, slow{storage.OpenLocal(role[1])}, role[1], nil)
		}
	}
	r, err := open()
	if err != nil {
		return err
	}
	numbers := make([]int, 0, 2)
	for _, word := range role[len(role)-2:] {
		if n, err := strconv.Atoi(word); err == nil {
			numbers = append(numbers, n)
		}
	}
	switch role[0] {
	case "read":
		err = readOverAndOver(ctx, r, numbers[0])
	case "fill":
		err = fill(ctx, r, numbers[0], numbers[1])
	default:
		fmt.Println("ready")
		err = captureVariants(ctx, r, role[2], numbers[0], numbers[1])
	}
	return errors.Join(err, r.Close())
}

// captureVariants makes generations of a VM, each with the fact which variant
// it is, and reads each back.
func captureVariants(ctx context.Context, r *repo.Repo, vm string, from, to int) error {
	var parent *repo.ParentFile
	for n := from; n < to; n++ {
		g, err := captureVariant(ctx, r, vm, n, parent)
		if err != nil {
			return fmt.Errorf("capture %s, variant %d: %w", vm, n, err)
		}
		if err := readsVariant(r, g); err != nil {
			return err
		}
		parent = &repo.ParentFile{Generation: g, File: g.File("disk.vmdk")}
	}
	return nil
}

func captureVariant(ctx context.Context, r *repo.Repo, vm string, n int, parent *repo.ParentFile) (g *repo.Generation, err error) {
	w, err := r.NewWriter(ctx, "test", "capture "+vm)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	content := variant(n)
	f, err := w.Add(ctx, repo.Input{
		File:    format.File{Path: "disk.vmdk", Role: format.RoleDisk, Size: int64(len(content))},
		Content: bytes.NewReader(content), Parent: parent,
	})
	if err != nil {
		return nil, err
	}
	return w.Commit(ctx, &format.Manifest{VM: vm, Frozen: time.Now().UnixNano(), Consistency: format.Offline, Files: []format.File{f},
		Facts: []format.Fact{{Key: "variant", Value: strconv.Itoa(n)}}})
}

func readsVariant(r *repo.Repo, g *repo.Generation) error {
	n, err := strconv.Atoi(g.Fact("variant"))
	if err != nil {
		return err
	}
	f, err := r.OpenFile(g, "disk.vmdk")
	if err != nil {
		return err
	}
	got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err == nil && !bytes.Equal(got, variant(n)) {
		err = errors.New("other bytes")
	}
	if err != nil {
		return fmt.Errorf("read %s, variant %d: %w", g, n, err)
	}
	return nil
}

func readOverAndOver(ctx context.Context, r *repo.Repo, times int) error {
	for range times {
		list, err := r.Generations(ctx)
		if err != nil || len(list.Damaged) > 0 {
			return fmt.Errorf("list: %w, damaged %v", err, list)
		}
		for _, g := range list.Generations {
			if err := readsVariant(r, g); err != nil {
				return err
			}
		}
	}
	return nil
}

// Writers and readers in several processes do not disturb each other, and all
// that was committed is there.
func TestManyProcesses(t *testing.T) {
	dir := smallRepo(t)
	const each = 8
	roles := [][]any{
		{"capture", dir, "web", 0, each},
		{"capture", dir, "db", each / 2, each + each/2}, // half of it is the other's too
		{"read", dir, 20},
		{"read", dir, 20},
	}
	var wg sync.WaitGroup
	for _, role := range roles {
		wg.Go(func() {
			if err := process(t.Context(), role...).Run(); err != nil {
				t.Errorf("%v: %v", role, err)
			}
		})
	}
	r := openRepo(t, dir, nil)
	if err := readOverAndOver(t.Context(), r, 20); err != nil {
		t.Error(err)
	}
	wg.Wait()
	all := generations(t, r)
	if len(all) != 2*each {
		t.Errorf("%d generations, want %d", len(all), 2*each)
	}
	if err := readOverAndOver(t.Context(), openRepo(t, dir, nil), 1); err != nil {
		t.Error(err)
	}
	nothingLeft(t, dir, all...)
	checkSound(t, openRepo(t, dir, nil))
}

// The same within one process, over one open repository: each writer has grains
// of its own, some that the others store at the same time, and some that had
// been committed.
func TestManyWritersAndReadersOfOneRepo(t *testing.T) {
	dir := smallRepo(t)
	r := openRepo(t, dir, small())
	const writers, own, common = 4, 5, 3
	if err := captureVariants(t.Context(), r, "before", 0, 1); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			vm := fmt.Sprint("vm", i)
			if err := captureVariants(t.Context(), r, vm, 1, 1+common); err != nil {
				t.Error(err)
			}
			if err := captureVariants(t.Context(), r, vm, 100*(i+1), 100*(i+1)+own); err != nil {
				t.Error(err)
			}
		})
	}
	for range 2 {
		wg.Go(func() {
			if err := readOverAndOver(t.Context(), r, 10); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Go(func() {
		if err := process(t.Context(), "read", dir, 10).Run(); err != nil {
			t.Errorf("reader process: %v", err)
		}
	})
	wg.Wait()
	all := generations(t, r)
	if len(all) != 1+writers*(own+common) {
		t.Errorf("%d generations, want %d", len(all), 1+writers*(own+common))
	}
	if err := readOverAndOver(t.Context(), openRepo(t, dir, nil), 1); err != nil {
		t.Error(err)
	}
	storesWhatIsNew(t, all)
	nothingLeft(t, dir, all...)
	checkSound(t, openRepo(t, dir, nil))
	for _, g := range all {
		n, err := strconv.Atoi(g.Fact("variant"))
		if err != nil {
			t.Fatal(err)
		}
		again, err := captureVariant(t.Context(), r, "again", n, nil)
		if err != nil || again.NewBytes != 0 {
			t.Errorf("variant %d: %d bytes are stored again, %v", n, again.NewBytes, err)
		}
	}
}

// storesWhatIsNew checks that no generation but the first stored more than what
// its variant has of its own: what had been committed is not stored again.
func storesWhatIsNew(t *testing.T, all []*repo.Generation) {
	t.Helper()
	stored := int64(0)
	for _, g := range all {
		if g.VM == "before" {
			continue
		}
		if g.NewBytes > 48*kib+format.NodeSize {
			t.Errorf("%s, variant %s, stored %d bytes", g, g.Fact("variant"), g.NewBytes)
		}
		stored += g.NewBytes
	}
	t.Logf("%d bytes stored after the first generation", stored)
}

// A writer that dies at any moment leaves a repository whose generations are
// whole, and in which the next capture succeeds.
func TestKilledCaptures(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := smallRepo(t)
	r := openRepo(t, dir, small())
	var longest time.Duration
	committed := map[format.SessionID]bool{}
	for i := range 30 {
		cmd := process(t.Context(), "capture", dir, "killed", i, i+1)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatalf("the capture does not begin: %v", err)
		}
		began := time.Now()
		if i == 0 {
			// How long it takes undisturbed.
			err = cmd.Wait()
			longest = time.Since(began)
		} else {
			time.Sleep(time.Duration(random.Int64N(int64(longest))))
			_ = cmd.Process.Kill() // it may have ended
			err = cmd.Wait()
		}
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || exit.Exited()) {
			t.Fatalf("capture %d failed by itself: %v", i, err)
		}
		// The same content: what the dead one stored must not be counted on.
		if _, err := captureVariant(t.Context(), r, "next", i, nil); err != nil {
			t.Fatalf("the capture after kill %d: %v", i, err)
		}
		all := generations(t, r)
		for _, g := range all {
			if !committed[g.Session] {
				committed[g.Session] = true
				if err := readsVariant(r, g); err != nil {
					t.Errorf("after kill %d: %v", i, err)
				}
			}
		}
		if len(committed) != len(all) {
			t.Fatalf("after kill %d: a generation is gone", i)
		}
		if i%10 == 9 {
			if report := mustCheck(t, openRepo(t, dir, nil)); report.DamageCount > 0 {
				t.Fatalf("after kill %d: Check finds %v", i, report.Damage)
			}
		}
	}
	if err := readOverAndOver(t.Context(), openRepo(t, dir, nil), 1); err != nil {
		t.Error(err)
	}
	t.Logf("%d generations, %d left sessions, undisturbed run of %v", len(committed), len(listed(t, dir, "sessions/", nil)), longest)
	// The dead leave sessions, packs and files in tmp, and no more.
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		switch filepath.Base(e.Name()) {
		case "config", "generations", "index", "locks", "packs", "sessions", "tmp":
		default:
			t.Errorf("%s is left", e.Name())
		}
	}
}
