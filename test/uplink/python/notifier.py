"""Sends a notification every 10 ms, by name, without waiting for answers; counts what comes back.

Prints "ready" after the first answer, "at N" after each hundredth, and, when standard input ends and all have been
answered, "sent N answered N failed N".
"""
import sys

import dbus
from dbus.mainloop.glib import DBusGMainLoop
from gi.repository import GLib

NAME = 'org.freedesktop.Notifications'
PATH = '/org/freedesktop/Notifications'
INTERVAL_MS = 10

DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
loop = GLib.MainLoop()
counts = {'sent': 0, 'answered': 0, 'failed': 0}
is_ending = False


def say(text):
    print(text, flush=True)


def settle():
    done = counts['answered'] + counts['failed']
    if done == 1:
        say('ready')
    if done % 100 == 0:
        say(f'at {done}')
    if is_ending and done == counts['sent']:
        loop.quit()


def answered(_identifier):
    counts['answered'] += 1
    settle()


def failed(error):
    counts['failed'] += 1
    say(f'error {error}')
    settle()


def send():
    if is_ending:
        return False
    counts['sent'] += 1
    arguments = ('test', 0, '', f'number-{counts["sent"]}', '', [], {}, -1)
    bus.call_async(NAME, PATH, NAME, 'Notify', 'susssasa{sv}i', arguments, answered, failed)
    return True


def end(*_):
    global is_ending
    is_ending = True
    counts['sent'] += 1
    arguments = ('test', 0, '', f'number-{counts["sent"]}', '', [], {}, -1)
    bus.call_async(NAME, PATH, NAME, 'Notify', 'susssasa{sv}i', arguments, answered, failed)
    return False


GLib.timeout_add(INTERVAL_MS, send)
GLib.io_add_watch(sys.stdin, GLib.IO_HUP | GLib.IO_IN, end)
loop.run()
say(' '.join(f'{key} {value}' for key, value in counts.items()))
