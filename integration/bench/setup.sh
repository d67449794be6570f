#!/bin/bash
# Makes sure that the backup programs which the benchmark compares, and what
# makes its data, are there: installs Debian's.
set -euo pipefail

# program:package
needed=(restic:restic borg:borgbackup casync:casync dpkg-deb:dpkg mount:mount findmnt:util-linux)
PATH=$PATH:/usr/sbin:/sbin

missing=()
for entry in "${needed[@]}"; do
  command -v "${entry%%:*}" >/dev/null || missing+=("${entry##*:}")
done
# borg is Debian's, and so mounts with what Debian's Python has.
/usr/bin/python3 -c 'import pyfuse3' 2>/dev/null || /usr/bin/python3 -c 'import llfuse' 2>/dev/null || missing+=(python3-llfuse)

root=()
[ "$(id -u)" -eq 0 ] || root=(sudo)
if ! command -v apt-get >/dev/null || { [ ${#root[@]} -gt 0 ] && ! command -v sudo >/dev/null; }; then
  echo "The benchmark runs as root on Debian and its kin, for its data are Debian's packages" >&2
  exit 1
fi
# The data are downloaded by apt-get, which needs its lists.
if [ ${#missing[@]} -gt 0 ] || ! apt-cache show linux-image-amd64 >/dev/null 2>&1; then
  "${root[@]}" apt-get update -qq
fi
[ ${#missing[@]} -eq 0 ] && exit 0
echo "Installing ${missing[*]} …"
DEBIAN_FRONTEND=noninteractive "${root[@]}" apt-get install -y -qq "${missing[@]}"
