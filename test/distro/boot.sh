#!/bin/bash
# usage: boot.sh daemon|broker|ours DIRECTORY RESULTS [container|machine]
#
# Boots DIRECTORY/rootfs with this bus, without a network, and waits for its checks: under systemd-nspawn, or in QEMU
# with Debian's kernel. What is written while it runs goes to a layer of its own.
set -euo pipefail
bus=$1 work=$2 out=$3 where=${4:-container}
rm -rf "$out"
mkdir -p "$out/in"
chmod 777 "$out"
layer=$(mktemp -d "$work/layer.XXXX")
mkdir "$layer"/{up,work,root}
root=$layer/root
mount -t overlay overlay -o "lowerdir=$work/rootfs,upperdir=$layer/up,workdir=$layer/work" "$root"
trap 'umount "$root" && rm -rf "$layer"' EXIT

case $bus in
broker)
  chroot "$root" systemctl enable dbus-broker.service
  chroot "$root" systemctl --global enable dbus-broker.service
  ;;
ours)
  {
    chroot "$root" bus1-bridge adopt --check || echo "adopt --check: $?"
    chroot "$root" bus1-bridge adopt
    chroot "$root" bus1-bridge adopt --back
    [ -z "$(find "$root"/etc/systemd -name '*bus1*')" ] || echo 'adopt --back leaves files'
    chroot "$root" bus1-bridge adopt
    chroot "$root" bus1-bridge adopt
  } >"$out/adopt.txt" 2>&1
  ;;
esac 2>/dev/null

container() {
  SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 timeout "${LIMIT:-900}" systemd-nspawn -q -D "$root" -M "bus-$bus" --register=no \
    --keep-unit --private-network --bind "$out:/out" --console=pipe --boot -- systemd.unit=bustest.target "bus=$bus" \
    ${APPEND:-} </dev/null >"$out/console.txt" 2>&1
}

# Without KVM a boot takes many minutes. A device alone does not mean that it works.
machine() {
  local disk=$layer/disk.img accel=tcg,thread=multi
  if [ -w /dev/kvm ] && grep -qwE 'vmx|svm' /proc/cpuinfo; then accel=kvm; fi
  mke2fs -q -t ext4 -d "$root" "$disk" 6G
  timeout "${LIMIT:-3000}" qemu-system-x86_64 -accel "$accel" -cpu max -smp 2 -m 3072 -nic none -display none -vga none \
    -monitor none -serial "file:$out/console.txt" -no-reboot -drive "file=$disk,format=raw,if=virtio,cache=unsafe" \
    -virtfs "local,path=$out,mount_tag=out,security_model=none" -kernel "$root/vmlinuz" -initrd "$root/initrd.img" \
    -append "root=/dev/vda rw console=ttyS0 panic=-1 systemd.unit=bustest.target bus=$bus ${APPEND:-}" </dev/null
}

"$where"
