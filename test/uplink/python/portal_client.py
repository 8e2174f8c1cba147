"""libportal, unmodified: asks for things whose answers come by a signal of the request's path."""
import gi

gi.require_version('Xdp', '1.0')
from gi.repository import Gio, GLib, Xdp

portal = Xdp.Portal()
loop = GLib.MainLoop()
ATTEMPT_MS = 20_000


def ask(title, begin, finish):
    """Calls `begin` with what takes the answer, and prints whether `finish` made something of it."""
    outcome = []

    def answered(_source, result):
        try:
            outcome.append(finish(result))
        except GLib.Error as error:
            outcome.append(error.message)
        loop.quit()

    def timed_out():
        outcome.append('nobody has answered')
        loop.quit()
        return GLib.SOURCE_REMOVE

    timer = GLib.timeout_add(ATTEMPT_MS, timed_out)
    begin(answered)
    loop.run()
    if outcome[0] != 'nobody has answered':
        GLib.source_remove(timer)
    print(title, outcome[0], flush=True)


def open_file(then):
    flags = Xdp.OpenFileFlags.NONE
    portal.open_file(None, 'Which file?', None, None, None, flags, None, then)


def cancelled(then):
    cancellable = Gio.Cancellable()
    portal.open_file(None, 'Never mind', None, None, None, Xdp.OpenFileFlags.NONE, cancellable, then)
    GLib.timeout_add(200, cancellable.cancel)


def uris_of(result):
    return ' '.join(portal.open_file_finish(result).unpack()['uris'])


def inhibit(then):
    flags = Xdp.InhibitFlags.IDLE
    portal.session_inhibit(None, 'busy', flags, None, then)


def monitor(then):
    portal.session_monitor_start(None, Xdp.SessionMonitorFlags.NONE, None, then)


def state_changed(_portal, active, state):
    print('session', active, state, flush=True)


ask('open-file', open_file, uris_of)
ask('inhibit', inhibit, lambda result: portal.session_inhibit_finish(result) > 0)
portal.connect('session-state-changed', state_changed)
ask('monitor', monitor, portal.session_monitor_start_finish)
ask('cancelled', cancelled, uris_of)
