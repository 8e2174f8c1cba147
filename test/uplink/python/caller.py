"""Calls a method every 20 ms without waiting for answers.

caller.py NAME PATH INTERFACE METHOD ARGUMENTS, which are a tuple in GVariant text.

Prints "ready" after the first answer, "at N" after each hundredth, and, when standard input ends and all have been
answered, "sent N answered N failed N".
"""
import sys

from gi.repository import Gio, GLib

INTERVAL_MS = 20

name, path, interface, method, text = sys.argv[1:]
arguments = GLib.Variant.parse(None, text, None, None)
bus = Gio.bus_get_sync(Gio.BusType.SESSION)
loop = GLib.MainLoop()
counts = {'sent': 0, 'answered': 0, 'failed': 0}
is_ending = False


def say(*words):
    print(*words, flush=True)


def settled(_bus, result):
    try:
        bus.call_finish(result)
        counts['answered'] += 1
    except GLib.Error as error:
        counts['failed'] += 1
        say('error', error.message)
    done = counts['answered'] + counts['failed']
    if done == 1:
        say('ready')
    if done % 100 == 0:
        say('at', done)
    if is_ending and done == counts['sent']:
        loop.quit()


def send():
    if not is_ending:
        counts['sent'] += 1
        bus.call(name, path, interface, method, arguments, None, Gio.DBusCallFlags.NONE, -1, None, settled)
    return not is_ending


def end(*_):
    global is_ending
    send()
    is_ending = True
    return False


GLib.timeout_add(INTERVAL_MS, send)
GLib.io_add_watch(sys.stdin, GLib.IO_HUP | GLib.IO_IN, end)
loop.run()
say(*(f'{key} {value}' for key, value in counts.items()))
