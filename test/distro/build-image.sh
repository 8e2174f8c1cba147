#!/bin/bash
# usage: build-image.sh DIRECTORY PACKAGE.deb
#
# Makes DIRECTORY/rootfs, a Debian 12 with the packages of test/apt-distro.txt and the one that is under test.
# Nothing is started outside of it: packages are configured in namespaces of their own, and services are forbidden.
set -euo pipefail
work=$1 package=$2
here=$(cd "$(dirname "$0")" && pwd)
root=$work/rootfs
base=systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,udev,kmod,procps,passwd,login,ca-certificates
mapfile -t more < <(grep -vE '^\s*(#|$)' "$here/../apt-distro.txt")
mkdir -p "$work"

inside() {
  unshare -m -p -f -n --mount-proc sh -c \
    "mount -t proc proc $root/proc; mount --bind /dev $root/dev; DEBIAN_FRONTEND=noninteractive chroot $root $*"
}

if [ ! -e "$root/.base" ]; then
  debootstrap --variant=minbase --include=$base bookworm "$root" "${MIRROR:-http://deb.debian.org/debian}"
  touch "$root/.base"
fi
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
if [ ! -e "$root/.more" ]; then
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  chroot "$root" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get install -y -qq --no-install-recommends -d "${more[@]}"
  inside apt-get install -y -qq --no-install-recommends --no-download "${more[@]}"
  rm -rf "$root"/var/cache/apt/archives/*.deb
  touch "$root/.more"
fi
rm -f "$root/usr/sbin/policy-rc.d"

# Debian 12 has Node 18: this machine's, as a package.
node=$(mktemp -d)
install -D -m 755 "$(readlink -f "$(command -v node)")" "$node/usr/bin/node"
mkdir "$node/DEBIAN"
printf '%s\n' 'Package: nodejs' "Version: $(node --version | tr -d v)" "Architecture: $(dpkg --print-architecture)" \
  'Maintainer: test' 'Description: the Node that the tests run on' >"$node/DEBIAN/control"
dpkg-deb -Znone --build "$node" "$root/nodejs.deb" >/dev/null
cp "$package" "$root/bus1-bridge.deb"
inside dpkg -i /nodejs.deb /bus1-bridge.deb
rm -r "$node" "$root"/*.deb

rm -rf "$root/opt/bustest"
cp -a "$here/image" "$root/opt/bustest"
chmod 755 "$root"/opt/bustest/*.sh "$root"/opt/bustest/*.py
cp "$here"/image/bustest.* "$root/etc/systemd/system/"
echo distro-test >"$root/etc/hostname"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
chroot "$root" passwd -d root >/dev/null
chroot "$root" id alice >/dev/null 2>&1 || chroot "$root" useradd -m -s /bin/bash alice
chroot "$root" systemctl enable systemd-resolved systemd-networkd >/dev/null 2>&1
chroot "$root" systemctl disable dbus-broker.service >/dev/null 2>&1
chroot "$root" systemctl --global disable dbus-broker.service >/dev/null 2>&1
# a wait for a network that never comes is not what is measured
chroot "$root" systemctl mask NetworkManager-wait-online systemd-networkd-wait-online apt-daily.timer \
  apt-daily-upgrade.timer e2scrub_reap.service >/dev/null 2>&1
mkdir -p "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nRateLimitBurst=0\n' >"$root/etc/systemd/journald.conf.d/all.conf"
