package storage_test

import (
	"os"
	"path/filepath"
	"testing"

	"granary/repo/storage"
	"granary/repo/storage/storagetest"
)

func TestLocal(t *testing.T) {
	storagetest.Conformance(t, func(t *testing.T) storagetest.Storage {
		return storage.OpenLocal(filepath.Join(t.TempDir(), "repo"))
	})
}

// A link that leads nowhere, as to a disk that is not mounted, is an error.
func TestMakeDirsBehindADanglingLink(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	if err := storage.MakeDirs(filepath.Join(link, "a", "b"), 0o700); err == nil {
		t.Error("made folders behind a link to nowhere")
	}
}

// A failed creation leaves no file behind, neither under its name nor in tmp.
func TestFailedCreateLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	s := storage.OpenLocal(dir)
	if err := s.Create(t.Context(), "a/b", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), "a/b", []byte("y")); err == nil {
		t.Fatal("overwrote")
	}
	left, err := os.ReadDir(filepath.Join(dir, "tmp"))
	if err != nil || len(left) > 0 {
		t.Errorf("tmp holds %v, %v", left, err)
	}
}
