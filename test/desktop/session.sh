#!/bin/bash
# session.sh: what runs on the session bus; ends when the desktop has logged out.
date +%s.%N > $OUT/bus-began
echo secret | gnome-keyring-daemon --unlock --components=secrets > /dev/null 2>&1
xfce4-session > $OUT/xfce4-session.log 2>&1 &
echo $! > $OUT/session.pid
/usr/bin/python3 $HERE/drive.py > $OUT/drive.log 2>&1
echo "the driver ended with $?" >> $OUT/drive.log
