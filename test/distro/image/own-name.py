#!/usr/bin/python3
import dbus, dbus.service, os, sys, grp
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib
DBusGMainLoop(set_as_default=True)
bus = dbus.SystemBus() if not os.environ.get('OWN_ON_SESSION') else dbus.SessionBus()
class O(dbus.service.Object):
    @dbus.service.method('org.example.I', out_signature='s', sender_keyword='s')
    def Who(self, s=None):
        who = f"uid={os.getuid()} gid={os.getgid()} groups={sorted(os.getgroups())} env={sorted(os.environ)}"
        return f"{who} cgroup={open('/proc/self/cgroup').read().split(':')[-1].strip()} " \
            f"fds={sorted(os.listdir('/proc/self/fd'), key=int)}"
n = dbus.service.BusName(sys.argv[1], bus); O(bus, '/')
GLib.timeout_add_seconds(60, lambda: sys.exit(0)); GLib.MainLoop().run()
