#!/bin/bash
# inside.sh: one desktop session, in a mount and pid namespace of its own; run.mjs sets the variables.
# Whatever starts a bus by the name of dbus-daemon gets the one of this arrangement.
set -u
mount -t tmpfs none /run/dbus 2>/dev/null || { mkdir -p /run/dbus; mount -t tmpfs none /run/dbus; }
mkdir -p /tmp/.X11-unix /run/user /home
mount -t tmpfs -o mode=1777 none /tmp/.X11-unix
mount -t tmpfs none /run/user
mount -t tmpfs none /home
mkdir -p /run/user/$DESK_UID /home/desk
for file in passwd group; do cp /etc/$file /run/user/$file; done
echo "desk:x:$DESK_UID:$DESK_UID::/home/desk:/bin/bash" >> /run/user/passwd
echo "desk:x:$DESK_UID:" >> /run/user/group
for file in passwd group; do mount --bind /run/user/$file /etc/$file; done
chown desk: /run/user/$DESK_UID /home/desk
chmod 700 /run/user/$DESK_UID
touch /run/user/dbus-daemon
mount --bind /usr/bin/dbus-daemon /run/user/dbus-daemon
daemon="$NODE $COMMANDS/bus1-dbus-daemon.js"
if [ $BUS != bus1 ]; then daemon=/run/user/dbus-daemon; fi
cat > /run/user/bus.sh <<SCRIPT
#!/bin/bash
echo \$\$ >> $OUT/buses
BUS1_HOSTS=$HOSTS exec $daemon "\$@"
SCRIPT
chmod 755 /run/user/bus.sh
mount --bind /run/user/bus.sh /usr/bin/dbus-daemon
: > $OUT/buses
chmod 666 $OUT/buses
/usr/bin/dbus-daemon --system --nofork --nopidfile 2> $OUT/system-bus.log &
Xvfb :$SCREEN -screen 0 1280x800x24 -nolisten tcp > $OUT/xvfb.log 2>&1 &
until [ -S /run/dbus/system_bus_socket ] && [ -S /tmp/.X11-unix/X$SCREEN ]; do sleep 0.05; done
runuser -u desk -- env -i HOME=/home/desk USER=desk LOGNAME=desk SHELL=/bin/bash LANG=C.UTF-8 \
  PATH=/usr/local/bin:/usr/bin:/bin XDG_RUNTIME_DIR=/run/user/$DESK_UID DISPLAY=:$SCREEN XDG_CURRENT_DESKTOP=XFCE \
  XDG_SESSION_TYPE=x11 LIBGL_ALWAYS_SOFTWARE=1 OUT=$OUT BUS=$BUS NODE=$NODE COMMANDS=$COMMANDS \
  HERE=$HERE PATIENCE_S=$PATIENCE_S \
  bash -c 'cd; date +%s.%N > $OUT/began; exec dbus-run-session -- bash $HERE/session.sh' > $OUT/session.log 2>&1
