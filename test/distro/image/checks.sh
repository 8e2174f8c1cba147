#!/bin/bash
# Runs in the booted system as root, writes to /out.
mountpoint -q /out || { mkdir -p /out; modprobe 9p 2>/dev/null; modprobe 9pnet_virtio 2>/dev/null; mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 out /out; }
exec >/out/checks.log 2>&1
timeout 60 systemctl is-system-running --wait >/out/is-running 2>&1; cat /proc/uptime >/out/uptime-at-checks
for part in $(grep -qaz quick /proc/1/cmdline || echo /opt/bustest/parts/*.sh); do
  echo "===== $(basename "$part") at $(cut -d' ' -f1 /proc/uptime)"
  timeout 900 bash "$part"
  journalctl -b -o short-monotonic --no-hostname >/out/journal.txt
done
for part in /out/in/*.sh; do [ -e "$part" ] && { echo "===== $part at $(cut -d' ' -f1 /proc/uptime)"; timeout 1200 bash "$part"; }; done
journalctl -b -o short-monotonic --no-hostname >/out/journal.txt
journalctl -b -p warning -o short-monotonic --no-hostname >/out/journal-warnings.txt
journalctl -b -o json >/out/journal.json
echo "===== end at $(cut -d' ' -f1 /proc/uptime)"
