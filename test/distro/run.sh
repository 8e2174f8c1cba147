#!/bin/bash
# Boots one Debian with dbus-daemon, dbus-broker and this bus, runs the same checks in each, and compares.
# Needs root, debootstrap, systemd-container; and qemu-system-x86, to do the same in a virtual machine with Debian's own
# kernel. DISTRO_DIR keeps the image for the next run.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=${DISTRO_DIR:-/var/tmp/bus1-distro}
deb=$(ls -t build/*.deb | head -1)
test/distro/build-image.sh "$work" "$PWD/$deb"
for bus in daemon broker ours; do
  printf '== %s\n' "$bus"
  test/distro/boot.sh "$bus" "$work" "$work/out-$bus"
done
python3 test/distro/compare.py "$work"/out-{daemon,broker,ours}

if ! command -v qemu-system-x86_64 >/dev/null; then
  printf 'no virtual machine: install qemu-system-x86\n'
  exit 0
fi
for bus in daemon ours; do
  printf '== %s, in a virtual machine\n' "$bus"
  test/distro/boot.sh "$bus" "$work" "$work/machine-$bus" machine
done
python3 test/distro/compare.py "$work"/machine-{daemon,ours}
