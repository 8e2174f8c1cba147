"""usage: fake_systemd.py COMMAND...    stands in for systemd, of which dbus-broker wants services to be started

Whatever unit is to be started, COMMAND is run. Prints "ready" once it owns systemd's name.
"""

import subprocess
import sys

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

MANAGER = 'org.freedesktop.systemd1.Manager'
JOB = dbus.ObjectPath('/org/freedesktop/systemd1/job/1')
UNIT = dbus.ObjectPath('/org/freedesktop/systemd1/unit/some_2eservice')


class Manager(dbus.service.Object):
    @dbus.service.method(MANAGER)
    def Subscribe(self):
        pass

    @dbus.service.method(MANAGER, in_signature='ss', out_signature='o')
    def StartUnit(self, _name, _mode):
        return self.start()

    @dbus.service.method(MANAGER, in_signature='ssa(sv)a(sa(sv))', out_signature='o')
    def StartTransientUnit(self, _name, _mode, _properties, _auxiliary):
        return self.start()

    @dbus.service.method(MANAGER, in_signature='s', out_signature='o')
    def LoadUnit(self, _name):
        return UNIT

    def start(self):
        subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return JOB


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
manager = Manager(bus, '/org/freedesktop/systemd1')
owned_name = dbus.service.BusName('org.freedesktop.systemd1', bus, do_not_queue=True)
print('ready', flush=True)
GLib.MainLoop().run()
