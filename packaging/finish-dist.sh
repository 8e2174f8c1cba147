#!/bin/sh
# Puts beside the built programs what no compiler makes: the commands, which start them, and the commit that they are of.
set -e
for program in bus1-bridge bus1-dbus-daemon; do
  install -m 755 packaging/launcher.sh "dist/bridge/cli/$program"
  chmod 755 "dist/bridge/cli/$program.js"
done
git rev-parse --short=12 HEAD >dist/commit.txt 2>/dev/null || rm -f dist/commit.txt
