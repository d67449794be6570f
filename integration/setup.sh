#!/bin/bash
# Makes sure that the programs which the tests and the demo drive are there:
# installs them on Debian and its kin, names them elsewhere.
set -euo pipefail

# program:package
needed=(qemu-img:qemu-utils qemu-nbd:qemu-utils fusermount3:fuse3 mkfs.ext4:e2fsprogs e2fsck:e2fsprogs debugfs:e2fsprogs rsync:rsync systemd-analyze:systemd)
PATH=$PATH:/usr/sbin:/sbin

missing=()
for entry in "${needed[@]}"; do
  command -v "${entry%%:*}" >/dev/null || missing+=("${entry##*:}")
done
[ ${#missing[@]} -eq 0 ] && exit 0
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)

root=()
[ "$(id -u)" -eq 0 ] || root=(sudo)
if ! command -v apt-get >/dev/null || { [ ${#root[@]} -gt 0 ] && ! command -v sudo >/dev/null; }; then
  echo "Please install these packages first: ${missing[*]}" >&2
  exit 1
fi
echo "Installing ${missing[*]} …"
"${root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq "${missing[@]}"
