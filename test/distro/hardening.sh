# Runs in the booted system: which options of systemd.exec(5) does a bus survive? Each has a bus of its own.
cat >/run/h.conf <<'X'
<busconfig><type>system</type><listen>unix:path=/run/h/bus</listen><auth>EXTERNAL</auth>
<servicehelper>/usr/lib/dbus-1.0/dbus-daemon-launch-helper</servicehelper>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy></busconfig>
X
sed 's#<type>#<user>messagebus</user><type>#' /run/h.conf >/run/hu.conf
try() { local name=$1 conf=$2; shift 2; rm -rf /run/h; install -d -m 777 /run/h
  local prog=(/usr/bin/bus1-dbus-daemon); [ -n "$STOCK" ] && prog=(/usr/bin/dbus-daemon)
  if timeout 60 systemd-run -q --unit=h-$name -p Type=notify -p NotifyAccess=main -p TimeoutStartSec=40 "$@" "${prog[@]}" --config-file=$conf --nofork --nopidfile --syslog-only >/run/h.out 2>&1; then
    r=$(timeout 20 busctl --address=unix:path=/run/h/bus list --no-legend 2>&1 | head -1 | cut -c1-60); printf '%-28s started | %s\n' $name "$r"
  else printf '%-28s FAILED %s | %s\n' $name "$(systemctl show h-$name -p Result -p ExecMainStatus -p ExecMainCode | tr '\n' ' ')" "$(journalctl -u h-$name -n 6 -o cat --no-pager | grep -v -E '^$|Consumed' | tr '\n' '~' | cut -c1-400)"; fi
  systemctl stop h-$name 2>/dev/null; systemctl reset-failed h-$name 2>/dev/null; }
for STOCK in '' 1; do echo "-- $([ -n "$STOCK" ] && echo dbus-daemon || echo product)"
try plain /run/h.conf
try user-dropped /run/hu.conf
try mdwe /run/h.conf -p MemoryDenyWriteExecute=yes
try protectsystem-strict /run/h.conf -p ProtectSystem=strict -p ReadWritePaths=/run
try protecthome /run/h.conf -p ProtectHome=yes
try privatetmp /run/h.conf -p PrivateTmp=yes
try privatedevices /run/h.conf -p PrivateDevices=yes
try kerneltunables /run/h.conf -p ProtectKernelTunables=yes -p ProtectControlGroups=yes -p ProtectKernelModules=yes -p ProtectKernelLogs=yes -p ProtectClock=yes
try af-unix /run/h.conf -p RestrictAddressFamilies=AF_UNIX
try af-unix-netlink /run/h.conf -p "RestrictAddressFamilies=AF_UNIX AF_NETLINK"
try restrictns /run/h.conf -p RestrictNamespaces=yes -p LockPersonality=yes -p RestrictRealtime=yes -p RestrictSUIDSGID=yes
try system-service /run/h.conf -p SystemCallFilter=@system-service -p SystemCallArchitectures=native -p SystemCallErrorNumber=EPERM
try system-service-kill /run/h.conf -p SystemCallFilter=@system-service -p SystemCallArchitectures=native
try nonewprivs /run/h.conf -p NoNewPrivileges=yes
try capbound /run/hu.conf -p "CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_AUDIT_WRITE CAP_SYS_RESOURCE"
try user-unit /run/h.conf -p User=messagebus -p AmbientCapabilities=CAP_AUDIT_WRITE
try user-unit-conf /run/hu.conf -p User=messagebus -p AmbientCapabilities=CAP_AUDIT_WRITE
try privateusers /run/h.conf -p PrivateUsers=yes
try protectproc /run/h.conf -p ProtectProc=invisible -p ProcSubset=pid
try protectproc-user /run/h.conf -p User=messagebus -p ProtectProc=invisible
try tasksmax8 /run/h.conf -p TasksMax=8
try tasksmax16 /run/h.conf -p TasksMax=16
try nofile256 /run/h.conf -p LimitNOFILE=256
try as-1g /run/h.conf -p LimitAS=1G
try dynamicuser /run/h.conf -p DynamicUser=yes
try watchdog /run/h.conf -p WatchdogSec=3
try noproc-env /run/h.conf -p "UnsetEnvironment=PATH HOME"
done
# a watchdog that is not fed ends the bus?
rm -rf /run/h; install -d -m 777 /run/h; systemd-run -q --unit=h-wd -p Type=notify -p WatchdogSec=3 /usr/bin/bus1-dbus-daemon --config-file=/run/h.conf --nofork --nopidfile --syslog-only; sleep 8; echo "watchdog after 8 s: $(systemctl is-active h-wd) $(systemctl show h-wd -p Result --value)"; systemctl stop h-wd 2>/dev/null; systemctl reset-failed h-wd 2>/dev/null
