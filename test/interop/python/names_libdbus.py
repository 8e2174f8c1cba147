"""usage: names_libdbus.py    checks owning, queueing, replacing and watching names from libdbus"""

import dbus
import dbus.bus
import dbus.mainloop.glib
from gi.repository import GLib

from checks import check, equal, run_all

NAME = 'org.example.Names'
ALLOW, REPLACE, NO_QUEUE = 1, 2, 4
PRIMARY, QUEUED, EXISTS, ALREADY = 1, 2, 3, 4
RELEASED, NON_EXISTENT, NOT_OWNER = 1, 2, 3

dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
one, two, three = (dbus.SessionBus(private=True) for _ in range(3))


def owner():
    return str(one.get_name_owner(NAME))


def release_all():
    for bus in (one, two, three):
        bus.release_name(NAME)


@check('a second owner waits in the queue and follows the first')
def _():
    equal(one.request_name(NAME), PRIMARY)
    equal(one.request_name(NAME), ALREADY)
    equal(two.request_name(NAME), QUEUED)
    equal(three.request_name(NAME), QUEUED)
    queue = one.call_blocking(
        'org.freedesktop.DBus', '/', 'org.freedesktop.DBus', 'ListQueuedOwners', 's', (NAME,)
    )
    equal(list(queue), [bus.get_unique_name() for bus in (one, two, three)])
    equal(one.release_name(NAME), RELEASED)
    equal(owner(), two.get_unique_name())
    release_all()


@check('who will not wait is told that the name exists')
def _():
    equal(one.request_name(NAME), PRIMARY)
    equal(two.request_name(NAME, NO_QUEUE), EXISTS)
    equal(one.release_name(NAME), RELEASED)
    equal(one.name_has_owner(NAME), False)


@check('an owner is replaced only if it allowed that')
def _():
    equal(one.request_name(NAME), PRIMARY)
    equal(two.request_name(NAME, REPLACE), QUEUED)
    equal(one.request_name(NAME, ALLOW), ALREADY)
    equal(three.request_name(NAME, REPLACE), PRIMARY)
    equal(owner(), three.get_unique_name())
    equal(three.release_name(NAME), RELEASED)
    equal(owner(), one.get_unique_name())
    release_all()


@check('an owner that allowed replacement and will not wait leaves the queue')
def _():
    equal(one.request_name(NAME, ALLOW | NO_QUEUE), PRIMARY)
    equal(two.request_name(NAME, REPLACE | NO_QUEUE), PRIMARY)
    equal(two.release_name(NAME), RELEASED)
    equal(one.name_has_owner(NAME), False)


@check('releasing tells apart released, not owned, and unknown')
def _():
    equal(one.release_name(NAME), NON_EXISTENT)
    equal(one.request_name(NAME), PRIMARY)
    equal(two.release_name(NAME), NOT_OWNER)
    equal(two.request_name(NAME), QUEUED)
    equal(two.release_name(NAME), RELEASED)
    equal(one.release_name(NAME), RELEASED)


@check('a watcher sees each owner once, in order')
def _():
    loop = GLib.MainLoop()
    seen = []

    def on_owner(name):
        seen.append(str(name))
        if len(seen) == 4:
            loop.quit()

    watch = three.watch_name_owner(NAME, on_owner)
    # The first answer comes from a query: only once it is there is the order of the rest certain.
    while not seen:
        GLib.MainContext.default().iteration(True)
    one.request_name(NAME)
    two.request_name(NAME)
    one.release_name(NAME)
    two.release_name(NAME)
    loop.run()
    watch.cancel()
    equal(seen, ['', one.get_unique_name(), two.get_unique_name(), ''])


@check('a connection that closes gives up its names and its place in queues')
def _():
    leaving = dbus.SessionBus(private=True)
    leaving.set_exit_on_disconnect(False)
    leaving.request_name(NAME)
    one.request_name(NAME)
    loop = GLib.MainLoop()
    unique = leaving.get_unique_name()

    def on_owner(name):
        if name == one.get_unique_name():
            loop.quit()

    watch = three.watch_name_owner(NAME, on_owner)
    leaving.close()
    loop.run()
    watch.cancel()
    equal(one.name_has_owner(unique), False)
    release_all()


@check('reserved, unique and malformed names are refused')
def _():
    for name in ('org.freedesktop.DBus', ':1.1'):
        try:
            one.call_blocking(
                'org.freedesktop.DBus', '/', 'org.freedesktop.DBus', 'RequestName', 'su', (name, 0)
            )
        except dbus.DBusException as error:
            equal(error.get_dbus_name(), 'org.freedesktop.DBus.Error.InvalidArgs')
        else:
            raise AssertionError(f'{name} was given away')


run_all()
