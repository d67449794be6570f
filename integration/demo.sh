#!/bin/bash
# The main job, from nothing, on a VM made on the spot: see "make demo".
set -euo pipefail
PATH=$PWD/bin:$PATH:/usr/sbin:/sbin

work=$(mktemp -d)
export VMRUN_STANDIN_STATE=$work/vmware GRANARY_STATE_DIR=$work/state GRANARY_REPO=$work/repository GRANARY_VMRUN=$PWD/bin/vmrun
mkdir "$work/vmware" "$work/mount" "$work/restored"

tidy() {
  status=$?
  trap - EXIT
  granary umount "$work/mount" 2>/dev/null || true
  vmrun stop "$work/vm/web.vmx" hard >/dev/null 2>&1 || true
  rm -rf "$work"
  [ $status -eq 0 ] || echo "The demo failed (exit status $status)." >&2
  exit $status
}
trap tidy EXIT

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() { printf '$ %s\n' "$*" | sed "s|$work|DEMO|g"; "$@" 2>&1 | sed "s|$work|DEMO|g"; }

say "1. Make a VM with two disks and a file system on each, and start it."
echo "   (VMware's vmrun is played by a stand-in. Its guest writes to both disks all the time.)"
vmx=$(vmlab make -subformat monolithicFlat -disks 2 "$work/vm" web)
run vmrun start "$vmx" nogui
run vmrun list

say "2. Make a repository: an empty folder is all it takes."
run granary init --plaintext

say "3. Capture the VM: stop it, take a snapshot, start it at once, read the frozen disks, drop the snapshot."
run granary capture "$vmx"

say "4. A day of work in the guest: files change on its first disk. Then capture it again."
run vmrun stop "$vmx" soft
vmlab change -size 1048576 "$vmx" a-day-of-work
run vmrun start "$vmx" nogui
run granary capture "$vmx"
run granary list

say "5. Mount the repository: every generation is a plain folder."
run granary mount -d "$work/mount"
run ls -R "$work/mount"

first=$(granary list --json | grep -o '"generation":"[^"]*"' | head -1 | cut -d'"' -f4)
say "6. Bring one disk of the first generation ($first) back, with cp."
run cp --sparse=auto "$work/mount/web/$first/web-flat.vmdk" "$work/mount/web/$first/web.vmdk" "$work/restored/"
run ls -ls "$work/restored"

say "7. Compare it bit by bit with what granary restores and verifies by itself."
run granary restore "web@$first" web-flat.vmdk web.vmdk --to "$work/verified"
run cmp "$work/restored/web-flat.vmdk" "$work/verified/web-flat.vmdk"
run cmp "$work/restored/web-flat.vmdk" "$work/mount/web/$first/web-flat.vmdk"
run qemu-img compare -f vmdk -F vmdk "$work/restored/web.vmdk" "$work/verified/web.vmdk"
if cmp -s "$work/restored/web-flat.vmdk" "$work/vm/web-flat.vmdk"; then
  echo "The copy equals the disk of today: it should be that of the first generation." >&2
  exit 1
fi
echo "   It differs from the VM's disk of today, as it should."

say "8. The file system in the copy is sound, and both disks show one point in time."
vmlab fsck "$work/restored/web.vmdk" | sed "s|$work|DEMO|g"
run vmlab verify "$work/mount/web/$first/web.vmx"

say "Done. Everything is removed again."
