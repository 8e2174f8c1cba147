"""usage: client_libdbus.py NAME [descriptors]    checks an Interop service from libdbus"""

import os
import sys
import xml.etree.ElementTree

import dbus
import dbus.mainloop.glib
from gi.repository import GLib

from checks import check, equal, run_all, same_type_and_value
from interop import INTERFACE, LARGE_BYTES, LEAST_INT64, PATH, PROPERTIES, REFUSED

dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
remote = bus.get_object(sys.argv[1], PATH, introspect=False)
interop = dbus.Interface(remote, INTERFACE)
properties = dbus.Interface(remote, PROPERTIES)


def error_of(call, *arguments):
    try:
        call(*arguments)
    except dbus.DBusException as error:
        return error
    raise AssertionError('the call succeeded')


@check('every basic type survives an echo')
def _():
    for value in (
        dbus.Byte(255, variant_level=1),
        dbus.Boolean(True, variant_level=1),
        dbus.Int16(-(2**15), variant_level=1),
        dbus.UInt16(2**16 - 1, variant_level=1),
        dbus.Int32(-(2**31), variant_level=1),
        dbus.UInt32(2**32 - 1, variant_level=1),
        dbus.Int64(LEAST_INT64, variant_level=1),
        dbus.UInt64(2**64 - 1, variant_level=1),
        dbus.Double(-1.5e300, variant_level=1),
        dbus.String('snö ☃ 𝄞', variant_level=1),
        dbus.ObjectPath('/a/b_1', variant_level=1),
        dbus.Signature('a{s(iv)}', variant_level=1),
    ):
        same_type_and_value(interop.Echo(value, signature='v'), value)


@check('containers survive an echo')
def _():
    for value in (
        dbus.Array([], signature='s', variant_level=1),
        dbus.Array([dbus.Array([1, 2], signature='n')], signature='an', variant_level=1),
        dbus.Struct((dbus.Byte(1), 'two', dbus.Double(3)), signature='ysd', variant_level=1),
        dbus.Dictionary({'a': dbus.UInt64(1), 'b': True}, signature='sv', variant_level=1),
        dbus.String('variants in variants', variant_level=5),
    ):
        same_type_and_value(interop.Echo(value, signature='v'), value)


@check('arguments and a result have the types of the interface')
def _():
    same_type_and_value(interop.Sum([1, 2, -40], signature='ai'), dbus.Int32(-37))


@check('an error has its name and its text')
def _():
    error = error_of(interop.Refuse)
    equal((error.get_dbus_name(), error.get_dbus_message()), (REFUSED, 'on purpose'))


@check('an unknown method is an error')
def _():
    error = error_of(interop.NoSuchMethod)
    equal(error.get_dbus_name(), 'org.freedesktop.DBus.Error.UnknownMethod')


@check('a signal reaches its subscriber')
def _():
    loop = GLib.MainLoop()
    seen = []

    def on_ticked(text):
        seen.append(str(text))
        if text == 'second':
            loop.quit()

    match = interop.connect_to_signal('Ticked', on_ticked)
    interop.Tick('first')
    interop.Tick('second')
    loop.run()
    match.remove()
    equal(seen, ['first', 'second'])


@check('properties are read, listed, set, and announced')
def _():
    loop = GLib.MainLoop()
    announced = []

    def on_changed(interface, changed, invalidated):
        announced.append((str(interface), dict(changed), list(invalidated)))
        loop.quit()

    match = properties.connect_to_signal('PropertiesChanged', on_changed)
    equal(properties.Get(INTERFACE, 'Version'), 7)
    properties.Set(INTERFACE, 'Label', 'set by libdbus', signature='ssv')
    loop.run()
    match.remove()
    equal(announced, [(INTERFACE, {'Label': 'set by libdbus'}, [])])
    equal(properties.GetAll(INTERFACE), {'Label': 'set by libdbus', 'Version': 7})


@check('a read-only property cannot be set')
def _():
    error = error_of(properties.Set, INTERFACE, 'Version', dbus.UInt32(8))
    assert error.get_dbus_name().startswith('org.freedesktop.DBus.Error.'), error


@check('introspection describes the interface')
def _():
    text = remote.Introspect(dbus_interface='org.freedesktop.DBus.Introspectable')
    names = [node.get('name') for node in xml.etree.ElementTree.fromstring(text)]
    assert INTERFACE in names, names


@check('eight MiB go there and back')
def _():
    equal(interop.Length(dbus.ByteArray(bytes(LARGE_BYTES)), signature='ay'), LARGE_BYTES)
    equal(interop.Zeros(dbus.UInt32(LARGE_BYTES), byte_arrays=True), bytes(LARGE_BYTES))


@check('a hundred calls are outstanding at once')
def _():
    loop = GLib.MainLoop()
    results = []

    def on_reply(result):
        results.append(int(result))
        if len(results) == 100:
            loop.quit()

    for number in range(100):
        interop.Sum([number, 1000], signature='ai', reply_handler=on_reply, error_handler=print)
    loop.run()
    equal(results, [1000 + number for number in range(100)])


def descriptor_checks():
    @check('a descriptor goes to the service')
    def _():
        reader, writer = os.pipe()
        os.write(writer, b'through a pipe')
        os.close(writer)
        equal(interop.ReadDescriptor(dbus.types.UnixFd(reader)), 'through a pipe')
        os.close(reader)

    @check('a descriptor comes from the service')
    def _():
        with os.fdopen(interop.OpenDescriptor('from afar').take()) as file:
            equal(file.read(), 'from afar')


if 'descriptors' in sys.argv:
    descriptor_checks()
run_all()
