"""usage: service_gdbus.py NAME    the Interop service on GDBus (python3-gi)

Prints "ready" once it owns NAME, and "hanging" when the method that never replies was called.
"""

import os
import sys

from gi.repository import Gio, GLib

from interop import INTERFACE, PATH, PROPERTIES, REFUSED, XML

label = 'first'
hanging = []


def read_descriptor(invocation, _arguments):
    fds = invocation.get_message().get_unix_fd_list().steal_fds()
    with os.fdopen(fds[0]) as file:
        invocation.return_value(GLib.Variant('(s)', (file.read(),)))


def open_descriptor(invocation, arguments):
    reader, writer = os.pipe()
    with os.fdopen(writer, 'w') as file:
        file.write(arguments[0])
    fds = Gio.UnixFDList.new_from_array([reader])
    invocation.return_value_with_unix_fd_list(GLib.Variant('(h)', (0,)), fds)


def tick(invocation, arguments):
    bus.emit_signal(None, PATH, INTERFACE, 'Ticked', GLib.Variant('(s)', arguments.unpack()))
    invocation.return_value(None)


def hang(invocation, _arguments):
    hanging.append(invocation)
    print('hanging', flush=True)


def zeros(invocation, arguments):
    data = GLib.Variant.new_from_bytes(
        GLib.VariantType.new('ay'), GLib.Bytes.new(bytes(arguments[0])), True
    )
    invocation.return_value(GLib.Variant.new_tuple(data))


METHODS = {
    'Echo': lambda invocation, arguments: invocation.return_value(arguments),
    'Sum': lambda invocation, arguments: invocation.return_value(
        GLib.Variant('(i)', (sum(arguments[0]),))
    ),
    'Refuse': lambda invocation, _arguments: invocation.return_dbus_error(REFUSED, 'on purpose'),
    'Length': lambda invocation, arguments: invocation.return_value(
        GLib.Variant('(u)', (arguments.get_child_value(0).n_children(),))
    ),
    'Zeros': zeros,
    'ReadDescriptor': read_descriptor,
    'OpenDescriptor': open_descriptor,
    'Tick': tick,
    'Hang': hang,
}


def on_call(_bus, _sender, _path, _interface, method, arguments, invocation):
    METHODS[method](invocation, arguments)


def on_get(_bus, _sender, _path, _interface, name):
    return GLib.Variant('s', label) if name == 'Label' else GLib.Variant('u', 7)


def on_set(_bus, _sender, _path, interface, name, value):
    global label
    label = value.unpack()
    changed = GLib.Variant('(sa{sv}as)', (interface, {name: value}, []))
    bus.emit_signal(None, PATH, PROPERTIES, 'PropertiesChanged', changed)
    return True


loop = GLib.MainLoop()
bus = Gio.bus_get_sync(Gio.BusType.SESSION)
interface_info = Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0]
bus.register_object(PATH, interface_info, on_call, on_get, on_set)
Gio.bus_own_name_on_connection(
    bus,
    sys.argv[1],
    Gio.BusNameOwnerFlags.DO_NOT_QUEUE,
    lambda _bus, _name: print('ready', flush=True),
    lambda _bus, _name: loop.quit(),
)
loop.run()
