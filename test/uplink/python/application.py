"""A single-instance application: application.py NAME WORD...

Prints `primary` or `remote`, and what it is asked to do.
"""
import sys

from gi.repository import Gio, GLib

name, *words = sys.argv[1:]
application = Gio.Application.new(name, Gio.ApplicationFlags.HANDLES_COMMAND_LINE)


def say(*what):
    print(*what, flush=True)


def command_line(app, line):
    asked = line.get_arguments()[1:]
    say('asked', 'remotely' if line.get_is_remote() else 'locally', *asked)
    line.do_print_literal(line, f'done: {" ".join(asked)}\n')
    if asked == ['quit']:
        GLib.idle_add(app.release)
    return 7 if line.get_is_remote() else 0


application.connect('command-line', command_line)
action = Gio.SimpleAction.new('greet', GLib.VariantType.new('s'))
action.connect('activate', lambda _action, parameter: say('greet', parameter.get_string()))
application.add_action(action)
application.register()
if application.get_is_remote():
    say('remote')
    if words[:1] == ['greet']:
        application.activate_action('greet', GLib.Variant('s', words[1]))
        Gio.bus_get_sync(Gio.BusType.SESSION).flush_sync()
        sys.exit(0)
else:
    say('primary')
    application.hold()
sys.exit(application.run([name, *words]))
