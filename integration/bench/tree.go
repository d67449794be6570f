//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// packages make, with what they depend on, a guest of about 1.0 GiB: a web
// server with a database.
const packages = "linux-image-amd64 systemd-sysv openssh-server apache2 postgresql python3 gcc make man-db rsync " +
	"qemu-guest-agent locales less curl sudo cron logrotate e2fsprogs"

func (d *data) tree() string     { return filepath.Join(d.dir, "tree") }
func (d *data) archives() string { return filepath.Join(d.dir, "archives") }

// makeTree unpacks the packages, from wherever this machine has its own. Nothing
// is installed: apt-get is told that nothing is, and only downloads.
func (d *data) makeTree(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(d.archives(), "partial"), 0o755); err != nil {
		return err
	}
	status := filepath.Join(d.archives(), "status")
	if err := os.WriteFile(status, nil, 0o644); err != nil {
		return err
	}
	args := []string{"-qq", "-y", "--download-only", "-o", "Dir::State::status=" + status, "-o", "Dir::Cache::archives=" + d.archives(),
		"-o", "APT::Install-Recommends=false", "-o", "APT::Sandbox::User=root", "install"}
	if err := tell(ctx, "apt-get", append(args, strings.Fields(packages)...)...); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(d.archives(), "*.deb")) // in sorted order
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if err := tell(ctx, "dpkg-deb", "-x", archive, d.tree()); err != nil {
			return err
		}
	}
	d.Packages = len(archives)
	if d.TreeBytes, err = folderUsage(d.tree()); err != nil {
		return err
	}
	return os.RemoveAll(d.archives())
}

// folderUsage is what the files below a folder take on disk, as du has it.
func folderUsage(folder string) (int64, error) {
	out, err := command{program: "du", args: []string{"-s", "--block-size=1", folder}}.output(context.Background())
	if err != nil {
		return 0, err
	}
	var size int64
	if _, err := fmt.Sscan(out, &size); err != nil {
		return 0, fmt.Errorf("read the output of du: %w", err)
	}
	return size, nil
}

// tell runs a program that has nothing to say.
func tell(ctx context.Context, program string, args ...string) error {
	_, err := command{program: program, args: args, env: fixedTime()}.output(ctx)
	return err
}
