#!/bin/sh
# usage: take-back [ROOT]
#
# Takes away what "bus1-bridge adopt" wrote for the whole system, as "bus1-bridge adopt --back" does, without Node.js.
# Packages run it before they are removed: units would name a program that has gone, and the next boot would have no bus.
set -eu
root=${1:-}
for unit in system/dbus user/dbus user/bus1-bridge-attach; do
  folder=$root/etc/systemd/$unit.service.d
  file=$folder/50-bus1-bridge.conf
  rm -f "$file.new"
  [ -e "$file" ] || continue
  if ! head -n 1 "$file" | grep -q '^# Written by bus1-bridge adopt;'; then
    echo "$file was not written by bus1-bridge: not removed" >&2
    exit 1
  fi
  rm "$file"
  rmdir --ignore-fail-on-non-empty "$folder"
  echo "removed $file"
done
# No bus is restarted by this; one that ends from now on is started anew as dbus-daemon.
if [ -z "$root" ] && [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
