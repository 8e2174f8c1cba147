#!/bin/sh
# usage: install.sh PACKAGE NODE_MODULES DESTDIR
#
# Lays the files of PACKAGE, built, and of its one dependency in NODE_MODULES out below DESTDIR as a distribution has them.
# Manual pages and completions, whose folders differ between distributions, are left to each of them.
set -eu
umask 022
package=$1 modules=$2 usr=$3/usr
lib=$usr/lib/bus1-bridge
mkdir -p "$lib/mappings" "$usr/bin" "$usr/lib/systemd/user" "$usr/share/dbus-1/system.d"

cp -r "$package/dist" "$package/package.json" "$lib/"
cp "$package"/mappings/*.yaml "$lib/mappings/"
# What compilers and debuggers of other programs read is in the package of npm.
find "$lib/dist" -name '*.map' -delete -o -name '*.d.ts' -delete
find "$lib/dist" -type d -empty -delete

# koffi without its sources and its builds for other C libraries: those would be dependencies of the package.
koffi=$lib/node_modules/koffi
mkdir -p "$koffi/src/koffi/src"
cp "$modules"/koffi/package.json "$modules"/koffi/index.js "$modules"/koffi/index.cjs "$koffi/"
cp "$modules"/koffi/src/koffi/*.js "$modules"/koffi/src/koffi/*.cjs "$koffi/src/koffi/"
cp "$modules"/koffi/src/koffi/src/static.js "$modules"/koffi/src/koffi/src/static.cjs "$koffi/src/koffi/src/"
for from in "$modules"/@koromix/koffi-linux-*; do
  native=$lib/node_modules/@koromix/${from##*/}
  mkdir -p "$native"
  cp -r "$from"/package.json "$from"/index.js "$from"/linux_* "$native/"
done

for program in bus1-bridge bus1-dbus-daemon; do
  file=$lib/dist/bridge/cli/$program
  sed -i '1s,^#!.*,#!/usr/bin/node,' "$file.js"
  chmod 755 "$file" "$file.js"
  # The launcher: NODE_OPTIONS and a limit of address space would otherwise end Node before its first line.
  ln -s "../lib/bus1-bridge/dist/bridge/cli/$program" "$usr/bin/$program"
done
install -m 755 "$package/packaging/take-back.sh" "$lib/take-back"
install -m 644 "$package"/packaging/units/* "$usr/lib/systemd/user/"
# What a system bus lets the superuser ask the bus itself.
install -m 644 "$package/packaging/policy/bus1-bridge.conf" "$usr/share/dbus-1/system.d/"
