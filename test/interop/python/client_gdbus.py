"""usage: client_gdbus.py NAME [descriptors]    checks an Interop service from GDBus"""

import os
import sys

from gi.repository import Gio, GLib

from checks import check, equal, run_all
from interop import INTERFACE, LARGE_BYTES, LEAST_INT64, PATH, PROPERTIES, REFUSED

NAME = sys.argv[1]
TIMEOUT_MS = 60_000
bus = Gio.bus_get_sync(Gio.BusType.SESSION)


def call(method, arguments=None, interface=INTERFACE, fds=None):
    return bus.call_with_unix_fd_list_sync(
        NAME, PATH, interface, method, arguments, None, Gio.DBusCallFlags.NONE, TIMEOUT_MS, fds
    )


def value_of(method, signature, *arguments, interface=INTERFACE):
    reply, _fds = call(method, GLib.Variant(f'({signature})', arguments), interface)
    return reply.unpack()


def error_of(method, *arguments):
    try:
        value_of(method, *arguments)
    except GLib.Error as error:
        remote_name = Gio.DBusError.get_remote_error(error)
        # GDBus puts the name before the text; taking it away in place does not work from Python.
        return remote_name, error.message.removeprefix(f'GDBus.Error:{remote_name}: ')
    raise AssertionError('the call succeeded')


def collect(signal, interface, act, count):
    """the arguments of the first `count` signals that follow from act()"""
    loop = GLib.MainLoop()
    seen = []

    def on_signal(_bus, _sender, _path, _interface, _signal, arguments):
        seen.append(arguments.unpack())
        if len(seen) == count:
            loop.quit()

    subscription = bus.signal_subscribe(
        NAME, interface, signal, PATH, None, Gio.DBusSignalFlags.NONE, on_signal
    )
    act()
    loop.run()
    bus.signal_unsubscribe(subscription)
    return seen


@check('every basic type survives an echo')
def _():
    for signature, value in (
        ('y', 255),
        ('b', True),
        ('n', -(2**15)),
        ('q', 2**16 - 1),
        ('i', -(2**31)),
        ('u', 2**32 - 1),
        ('x', LEAST_INT64),
        ('t', 2**64 - 1),
        ('d', -1.5e300),
        ('s', 'snö ☃ 𝄞'),
        ('o', '/a/b_1'),
        ('g', 'a{s(iv)}'),
    ):
        sent = GLib.Variant('(v)', (GLib.Variant(signature, value),))
        reply, _fds = call('Echo', sent)
        equal(reply.print_(True), sent.print_(True))


@check('containers survive an echo')
def _():
    for text in ('<@as []>', '<[[int16 1, 2]]>', "<(byte 1, 'two', 3.0)>", '<<<<<true>>>>>'):
        sent = GLib.Variant.new_tuple(GLib.Variant.parse(None, text, None, None))
        reply, _fds = call('Echo', sent)
        equal(reply.print_(True), sent.print_(True))
    value = {'a': GLib.Variant('t', 1), 'b': GLib.Variant('b', True)}
    equal(value_of('Echo', 'v', GLib.Variant('a{sv}', value)), ({'a': 1, 'b': True},))


@check('arguments and a result have the types of the interface')
def _():
    reply, _fds = call('Sum', GLib.Variant('(ai)', ([1, 2, -40],)))
    equal(reply.print_(True), '(-37,)')


@check('an error has its name and its text')
def _():
    equal(error_of('Refuse', ''), (REFUSED, 'on purpose'))


@check('an unknown method is an error')
def _():
    name, _text = error_of('NoSuchMethod', '')
    equal(name, 'org.freedesktop.DBus.Error.UnknownMethod')


@check('a signal reaches its subscriber')
def _():
    def act():
        value_of('Tick', 's', 'first')
        value_of('Tick', 's', 'second')

    equal(collect('Ticked', INTERFACE, act, 2), [('first',), ('second',)])


@check('properties are read, listed, set, and announced')
def _():
    equal(value_of('Get', 'ss', INTERFACE, 'Version', interface=PROPERTIES), (7,))
    label = GLib.Variant('s', 'set by GDBus')
    announced = collect(
        'PropertiesChanged',
        PROPERTIES,
        lambda: value_of('Set', 'ssv', INTERFACE, 'Label', label, interface=PROPERTIES),
        1,
    )
    equal(announced, [(INTERFACE, {'Label': 'set by GDBus'}, [])])
    everything = value_of('GetAll', 's', INTERFACE, interface=PROPERTIES)
    equal(everything, ({'Label': 'set by GDBus', 'Version': 7},))


@check('a read-only property cannot be set')
def _():
    value = GLib.Variant('u', 8)
    try:
        value_of('Set', 'ssv', INTERFACE, 'Version', value, interface=PROPERTIES)
    except GLib.Error as error:
        remote_name = Gio.DBusError.get_remote_error(error)
        assert remote_name.startswith('org.freedesktop.DBus.Error.'), remote_name
    else:
        raise AssertionError('the property was set')


@check('introspection describes the interface')
def _():
    (text,) = value_of('Introspect', '', interface='org.freedesktop.DBus.Introspectable')
    info = Gio.DBusNodeInfo.new_for_xml(text)
    assert info.lookup_interface(INTERFACE), text


@check('eight MiB go there and back')
def _():
    zeros = GLib.Variant.new_from_bytes(
        GLib.VariantType.new('ay'), GLib.Bytes.new(bytes(LARGE_BYTES)), True
    )
    reply, _fds = call('Length', GLib.Variant.new_tuple(zeros))
    equal(reply.unpack(), (LARGE_BYTES,))
    reply, _fds = call('Zeros', GLib.Variant('(u)', (LARGE_BYTES,)))
    equal(reply.get_child_value(0).get_data_as_bytes().get_data(), bytes(LARGE_BYTES))


@check('a hundred calls are outstanding at once')
def _():
    loop = GLib.MainLoop()
    results = []

    def on_reply(_bus, result):
        results.append(bus.call_finish(result).unpack()[0])
        if len(results) == 100:
            loop.quit()

    for number in range(100):
        arguments = GLib.Variant('(ai)', ([number, 1000],))
        flags = Gio.DBusCallFlags.NONE
        bus.call(
            NAME, PATH, INTERFACE, 'Sum', arguments, None, flags, TIMEOUT_MS, None, on_reply
        )
    loop.run()
    equal(sorted(results), [1000 + number for number in range(100)])


def descriptor_checks():
    @check('a descriptor goes to the service')
    def _():
        reader, writer = os.pipe()
        os.write(writer, b'through a pipe')
        os.close(writer)
        fds = Gio.UnixFDList.new_from_array([reader])
        reply, _fds = call('ReadDescriptor', GLib.Variant('(h)', (0,)), fds=fds)
        equal(reply.unpack(), ('through a pipe',))

    @check('a descriptor comes from the service')
    def _():
        reply, fds = call('OpenDescriptor', GLib.Variant('(s)', ('from afar',)))
        with os.fdopen(fds.get(reply.unpack()[0])) as file:
            equal(file.read(), 'from afar')


if 'descriptors' in sys.argv:
    descriptor_checks()
run_all()
