//go:build linux

package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"granary/integration/guest"
)

// birthday is the time that all files of a machine carry.
var birthday = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// makeImage writes the raw image of one disk: an ext4 with files, and the
// first stamp.
func makeImage(ctx context.Context, path string, spec Spec, number int, id guest.ID) error {
	content := path + ".files"
	if err := writeFiles(content, spec.Name, number); err != nil {
		return err
	}
	// Sizes and seeds are given so that equal specs make equal bytes, as far
	// as mkfs allows: the inodes' change times are those of the files just made.
	uuid := uuidOf(fmt.Sprintf("%s disk %d", spec.Name, number))
	err := run(ctx, "mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-d", content, "-U", uuid, "-L", fmt.Sprintf("disk%d", number),
		"-E", "hash_seed="+uuid+",root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard",
		path, fmt.Sprintf("%dk", (spec.DiskSize-guest.RegionSize)>>10))
	if err != nil {
		return err
	}
	if err := os.RemoveAll(content); err != nil {
		return err
	}
	image, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(
		image.Truncate(spec.DiskSize),
		guest.FormatDisk(image, spec.DiskSize, id, number, spec.Disks),
		image.Close(),
	)
}

// writeFiles fills dir with a few MiB: what every machine has (its system), and
// what only this one has.
func writeFiles(dir, name string, number int) error {
	trees := map[string]*rand.Rand{
		"usr": seeded("a system that all machines share"),
		"srv": seeded(fmt.Sprintf("%s %d", name, number)),
	}
	for tree, random := range trees {
		for i := range 12 {
			path := filepath.Join(dir, tree, fmt.Sprintf("d%d", i%3), fmt.Sprintf("file%02d", i))
			if err := writeFile(path, fileContent(random, 4<<10+random.IntN(256<<10))); err != nil {
				return err
			}
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "var"), 0o755); err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, "etc", "hostname"), []byte(name+"\n"))
}

func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return err
	}
	return os.Chtimes(path, birthday, birthday)
}

func seeded(seed string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(seed))
	return rand.New(rand.NewPCG(h.Sum64(), 0))
}

// fileContent returns text that compresses in its first half and noise after.
func fileContent(random *rand.Rand, size int) []byte {
	data := make([]byte, 0, size+64)
	for len(data) < size/2 {
		data = strconv.AppendUint(data, random.Uint64(), 36)
		data = append(data, " the quick brown fox jumps over the lazy dog\n"...)
	}
	for len(data) < size {
		data = binary.LittleEndian.AppendUint64(data, random.Uint64())
	}
	return data[:size]
}

// run runs a program of the host.
func run(ctx context.Context, name string, args ...string) error {
	_, err := output(ctx, name, args...)
	return err
}

func output(ctx context.Context, name string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Env = append(os.Environ(), fmt.Sprintf("E2FSPROGS_FAKE_TIME=%d", birthday.Unix()), "LC_ALL=C")
	var complaints strings.Builder
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s%s", name, err, out, strings.TrimSpace(complaints.String()))
	}
	return out, nil
}
