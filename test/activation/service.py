"""A service to be started by the bus. Usage: service.py NAME

It finds the bus as every service does, by DBUS_STARTER_ADDRESS, and answers at any path:
Environment (s -> s) with a variable or '(unset)', Quit (-> ) and then ends.
"""

import os
import sys

from gi.repository import Gio, GLib

INTERFACE = 'org.example.Service'
OBJECTS = Gio.DBusNodeInfo.new_for_xml(f"""
<node><interface name='{INTERFACE}'>
  <method name='Environment'>
    <arg type='s' direction='in'/><arg type='s' direction='out'/>
  </method>
  <method name='Quit'/>
</interface></node>""")


def called(_connection, _sender, _path, _interface, method, parameters, invocation):
    if method == 'Environment':
        value = os.environ.get(parameters.unpack()[0], '(unset)')
        invocation.return_value(GLib.Variant('(s)', (value,)))
    else:
        invocation.return_value(None)
        connection.flush_sync(None)
        loop.quit()


loop = GLib.MainLoop()
connection = Gio.DBusConnection.new_for_address_sync(
    os.environ['DBUS_STARTER_ADDRESS'],
    Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION,
    None,
    None,
)
connection.register_object('/', OBJECTS.interfaces[0], called, None, None)
Gio.bus_own_name_on_connection(connection, sys.argv[1], Gio.BusNameOwnerFlags.NONE, None, None)
connection.connect('closed', lambda *_: loop.quit())
loop.run()
