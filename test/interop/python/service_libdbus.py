"""usage: service_libdbus.py NAME    the Interop service on libdbus (python3-dbus)

Prints "ready" once it owns NAME, and "hanging" when the method that never replies was called.
"""

import os
import sys

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

from interop import INTERFACE, PATH, PROPERTIES, REFUSED


class Refused(dbus.DBusException):
    _dbus_error_name = REFUSED


class Interop(dbus.service.Object):
    label = 'first'

    @dbus.service.method(INTERFACE, in_signature='v', out_signature='v')
    def Echo(self, value):
        return value

    @dbus.service.method(INTERFACE, in_signature='ai', out_signature='i')
    def Sum(self, terms):
        return sum(terms)

    @dbus.service.method(INTERFACE)
    def Refuse(self):
        raise Refused('on purpose')

    @dbus.service.method(INTERFACE, in_signature='ay', out_signature='u', byte_arrays=True)
    def Length(self, data):
        return len(data)

    @dbus.service.method(INTERFACE, in_signature='u', out_signature='ay')
    def Zeros(self, length):
        return dbus.ByteArray(bytes(length))

    @dbus.service.method(INTERFACE, in_signature='h', out_signature='s')
    def ReadDescriptor(self, fd):
        with os.fdopen(fd.take()) as file:
            return file.read()

    @dbus.service.method(INTERFACE, in_signature='s', out_signature='h')
    def OpenDescriptor(self, text):
        reader, writer = os.pipe()
        with os.fdopen(writer, 'w') as file:
            file.write(text)
        descriptor = dbus.types.UnixFd(reader)
        os.close(reader)
        return descriptor

    @dbus.service.method(INTERFACE, in_signature='s')
    def Tick(self, text):
        self.Ticked(text)

    @dbus.service.method(INTERFACE, async_callbacks=('_reply', '_error'))
    def Hang(self, _reply, _error):
        print('hanging', flush=True)

    @dbus.service.signal(INTERFACE, signature='s')
    def Ticked(self, text):
        pass

    @dbus.service.method(PROPERTIES, in_signature='ss', out_signature='v')
    def Get(self, interface, name):
        return self.GetAll(interface)[name]

    @dbus.service.method(PROPERTIES, in_signature='s', out_signature='a{sv}')
    def GetAll(self, _interface):
        return {'Label': self.label, 'Version': dbus.UInt32(7)}

    @dbus.service.method(PROPERTIES, in_signature='ssv')
    def Set(self, interface, name, value):
        if name != 'Label':
            raise dbus.DBusException(
                f'{name} is read-only', name='org.freedesktop.DBus.Error.PropertyReadOnly'
            )
        self.label = value
        self.PropertiesChanged(interface, {name: value}, [])

    @dbus.service.signal(PROPERTIES, signature='sa{sv}as')
    def PropertiesChanged(self, interface, changed, invalidated):
        pass


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
service = Interop(bus, PATH)
owned_name = dbus.service.BusName(sys.argv[1], bus, do_not_queue=True)
print('ready', flush=True)
GLib.MainLoop().run()
