"""Uses a desktop session as somebody would who sits in front of it. What came of each step goes to $OUT/result.json.

An outcome says what a user would notice and nothing that depends on chance: outcomes of two buses are compared for
equality. Times and sizes are kept apart from them.
"""
import glob
import json
import os
import re
import subprocess
import time

import gi

gi.require_version('Atspi', '2.0')
from gi.repository import Gio, GLib

OUT = os.environ['OUT']
IS_ATTACHED = os.environ['BUS'] == 'attached'
BRIDGE = f'unix:path={os.environ["XDG_RUNTIME_DIR"]}/bridge'
COMMAND = [os.environ['NODE'], f'{os.environ["COMMANDS"]}/bus1-bridge.js']
NOTIFYD = glob.glob('/usr/lib/*/xfce4/notifyd/xfce4-notifyd')[0]
PATIENCE_S = float(os.environ.get('PATIENCE_S', '60'))
PAUSE_S = 0.1

IMPORTS = [
    'org.freedesktop.Notifications', 'ca.desrt.dconf', 'org.gtk.vfs.*', 'org.freedesktop.portal.*',
    'org.freedesktop.impl.portal.*', 'org.freedesktop.secrets', 'org.xfce.mousepad', 'org.mpris.MediaPlayer2.*',
    'org.a11y.Bus', 'org.xfce.*',
]
# What moves to the bridge and back: names, and the command that starts their new owner.
MOVES = [
    (['org.freedesktop.Notifications'], [NOTIFYD]),
    (['ca.desrt.dconf'], ['/usr/libexec/dconf-service']),
    (['org.gtk.vfs.Daemon'], ['/usr/libexec/gvfsd', '--no-fuse']),
    (['org.freedesktop.portal.Desktop'], ['/usr/libexec/xdg-desktop-portal']),
]

began = float(open(f'{OUT}/began').read())
result = {'outcomes': {}, 'figures': {}, 'details': {}}


def save():
    with open(f'{OUT}/result.json', 'w') as file:
        json.dump(result, file, indent=1)


def say(*words):
    print(f'{time.time() - began:8.2f}', *words, flush=True)


def until(condition, patience_s=PATIENCE_S):
    """What `condition` returns as soon as it is true; None when it is not in time."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(PAUSE_S)
    return None


def run(*words, env=None, text=None, patience_s=PATIENCE_S):
    """The exit status and the standard output."""
    try:
        done = subprocess.run(words, env=env, input=text, capture_output=True, text=True, timeout=patience_s)
    except subprocess.TimeoutExpired:
        return ['has not ended', '']
    if done.returncode != 0:
        say(words, done.returncode, done.stderr.strip()[-400:])
    return [done.returncode, done.stdout.strip()]


def start(*words, env=None):
    # $OUT keeps what it says, for whoever looks at a difference.
    log = open(f'{OUT}/{os.path.basename(words[0])}.log', 'a')
    return subprocess.Popen(words, env=env, stdout=log, stderr=log)


def windows(what, kind='--class'):
    return run('xdotool', 'search', '--onlyvisible', kind, what, patience_s=10)[1].split()


def screenshot(title):
    run('import', '-window', 'root', f'{OUT}/{title}.png')


def here(address):
    return {**os.environ, 'DBUS_SESSION_BUS_ADDRESS': address}


# The steps: each takes the environment in which the user's programs run.


def notification(env):
    asking = subprocess.Popen(
        ['notify-send', '-t', '0', '-w', '-A', 'yes=Yes', '-A', 'no=No', 'Question', 'Shall we?'],
        env=env, stdout=subprocess.PIPE, text=True)
    shown = until(lambda: windows('otifyd'))
    for _attempt in range(20):
        for window in windows('otifyd'):
            lines = run('xdotool', 'getwindowgeometry', '--shell', window)[1].split('\n')
            shape = dict(line.split('=') for line in lines if '=' in line)
            if 'X' not in shape:
                continue
            left, top, width, height = (int(shape[key]) for key in ('X', 'Y', 'WIDTH', 'HEIGHT'))
            for across, down in ((0.3, 0.85), (0.7, 0.85), (0.3, 0.75)):
                at = (str(int(left + width * across)), str(int(top + height * down)))
                run('xdotool', 'mousemove', *at, 'click', '1')
                time.sleep(PAUSE_S)
        if asking.poll() is not None:
            break
        time.sleep(PAUSE_S)
    try:
        answer = asking.communicate(timeout=5)[0].strip().split('\n')[-1]
    except subprocess.TimeoutExpired:
        asking.kill()
        answer = 'nobody has answered'
    sent = [run('notify-send', '-t', '500', f'number {number}', env=env)[0] for number in range(10)]
    return {'shown': bool(shown), 'answered': answer in ('yes', 'no'), 'sent': sent}


def files(env):
    path = os.path.expanduser('~/unwanted.txt')
    open(path, 'w').write('text')
    trashed = run('gio', 'trash', path, env=env)
    listed = run('gio', 'list', 'trash:///', env=env)
    emptied = run('gio', 'trash', '--empty', env=env)
    # Not only the daemon counts: what it has told is noticed a moment later.
    left = until(lambda: run('gio', 'list', 'trash:///', env=env)[1] == '', 20)
    return {'trash': trashed, 'list': listed, 'empty': emptied, 'is empty': bool(left)}


def file_manager(env):
    manager = start('thunar', os.path.expanduser('~'), env=env)
    shown = until(lambda: windows('hunar'))
    again = run('thunar', '/tmp', env=env)
    manager.terminate()
    return {'shown': bool(shown), 'again': again[0]}


def settings(env):
    key = ('org.gnome.desktop.interface', 'cursor-size')
    listening = subprocess.Popen(['gsettings', 'monitor', key[0]], env=env, stdout=subprocess.PIPE)
    os.set_blocking(listening.stdout.fileno(), False)
    heard = b''
    size = 30

    def hears():
        nonlocal heard, size
        size = size + 1
        run('gsettings', 'set', *key, str(size), env=env)
        heard += listening.stdout.read() or b''
        return b'cursor-size' in heard
    is_heard = until(hears)
    listening.terminate()
    got = run('gsettings', 'get', *key, env=env)
    return {'heard': bool(is_heard), 'kept': got == [0, str(size)], 'reset': run('gsettings', 'reset', *key, env=env)}


def secret(env):
    return {
        'store': run('secret-tool', 'store', '--label=Test', 'test', 'one', text='hidden', env=env),
        'lookup': run('secret-tool', 'lookup', 'test', 'one', env=env),
        'clear': run('secret-tool', 'clear', 'test', 'one', env=env),
        'lookup again': run('secret-tool', 'lookup', 'test', 'one', env=env),
    }


def player(env):
    playing = subprocess.Popen(
        ['script', '--quiet', '--command', 'cmus', '/dev/null'],
        env={**os.environ, 'TERM': 'xterm'}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    there = until(lambda: run('playerctl', '-p', 'cmus', 'status', env=env)[0] == 0)
    outcome = {
        'there': bool(there),
        'status': run('playerctl', '-p', 'cmus', 'status', env=env),
        'pause': run('playerctl', '-p', 'cmus', 'pause', env=env),
        'stop': run('playerctl', '-p', 'cmus', 'stop', env=env),
        'volume': run('playerctl', '-p', 'cmus', 'volume', env=env),
    }
    playing.terminate()
    outcome['gone'] = bool(until(lambda: run('playerctl', '-p', 'cmus', 'status', env=env)[0] != 0))
    return outcome


WALK = '''
import gi, json
gi.require_version('Atspi', '2.0')
from gi.repository import Atspi
def walk(node, depth):
    try:
        node.get_role_name(); node.get_name()
        count = node.get_child_count()
        return 1 + sum(walk(child, depth + 1) for child in map(node.get_child_at_index, range(min(count, 40)))
                       if child is not None and depth < 12)
    except Exception:
        return 0
desktop = Atspi.get_desktop(0)
apps = filter(None, map(desktop.get_child_at_index, range(desktop.get_child_count())))
print(json.dumps({app.get_name(): walk(app, 0) for app in apps}))
'''


def accessibility(env):
    status, text = run('/usr/bin/python3', '-c', WALK, env=env)
    seen = json.loads(text) if status == 0 else {}
    result['details']['accessible'] = seen
    return {'status': status, 'panel': seen.get('xfce4-panel', 0) > 10, 'desktop': 'xfdesktop' in seen}


CHOOSE = '''
import gi
gi.require_version('Xdp', '1.0')
from gi.repository import GLib, Xdp
portal, loop = Xdp.Portal(), GLib.MainLoop()
def chosen(_source, result):
    try:
        print(*portal.open_file_finish(result).unpack()['uris'])
    except GLib.Error as error:
        print(error.message)
    loop.quit()
portal.open_file(None, 'Which file?', None, None, None, Xdp.OpenFileFlags.NONE, None, chosen)
GLib.timeout_add_seconds(90, loop.quit)
loop.run()
'''


def file_chooser(env):
    path = os.path.expanduser('~/chosen.txt')
    open(path, 'w').write('text')
    asking = subprocess.Popen(['/usr/bin/python3', '-c', CHOOSE], env=env, stdout=subprocess.PIPE, text=True)
    shown = until(lambda: windows('Which file', '--name'))
    # A dialog is on the screen before it takes keys, and nothing tells when it does: what is typed is typed again.
    for _attempt in range(10 if shown else 0):
        run('xdotool', 'windowfocus', shown[0])
        run('xdotool', 'key', '--window', shown[0], 'ctrl+l', 'ctrl+a')
        run('xdotool', 'type', '--window', shown[0], '--delay', '20', path)
        screenshot('file-chooser')
        run('xdotool', 'key', '--window', shown[0], 'Return')
        if until(lambda: asking.poll() is not None, 3):
            break
    try:
        answer = asking.communicate(timeout=PATIENCE_S)[0].strip()
    except subprocess.TimeoutExpired:
        asking.kill()
        answer = 'nobody has answered'
    return {'shown': bool(shown), 'answer': answer}


def single_instance(env):
    first, second = (os.path.expanduser(f'~/{name}.txt') for name in ('first', 'second'))
    for path in (first, second):
        open(path, 'w').write('text')
    editor = start('mousepad', first)
    shown = until(lambda: windows('ousepad'))
    again = run('mousepad', second, env=env)
    opened = until(lambda: windows('second', '--name'))
    is_one = editor.poll() is None
    editor.terminate()
    editor.wait()
    return {'shown': bool(shown), 'again': again[0], 'opened by the first': bool(opened) and is_one}


STEPS = [
    notification, files, file_manager, settings, secret, player, accessibility, file_chooser, single_instance,
]
# What the names that move have to do with.
MOVED_STEPS = [notification, files, settings, file_chooser]


def take(steps, stage, env):
    for step in steps:
        title = f'{step.__name__}{stage}'
        say('>>', title)
        try:
            outcome = step(env)
        except Exception as error:
            outcome = {'exception': repr(error)}
        say('<<', title, json.dumps(outcome))
        result['outcomes'].setdefault(step.__name__, {})[stage] = outcome
        save()


def buses():
    """CPU time and memory of all processes of all buses."""
    parents = {}
    for path in glob.glob('/proc/[0-9]*/stat'):
        try:
            pid, rest = int(path.split('/')[2]), open(path).read().rsplit(')', 1)[1].split()
            parents.setdefault(int(rest[1]), []).append(pid)
        except OSError:
            pass
    todo, cpu_s, memory_kib = [int(line) for line in open(f'{OUT}/buses')], 0.0, 0
    todo += [bridge.pid] if bridge else []
    while todo:
        pid = todo.pop()
        try:
            words = open(f'/proc/{pid}/cmdline').read()
            if 'dbus-daemon' not in words and '/dist/' not in words:
                continue
            fields = open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()
            cpu_s += (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
            memory_kib += int(re.search(r'VmRSS:\s+(\d+)', open(f'/proc/{pid}/status').read())[1])
            todo += parents.get(pid, [])
        except (OSError, TypeError):
            pass
    return {'cpu_s': round(cpu_s, 2), 'memory_mib': round(memory_kib / 1024)}


def attach():
    words = [*COMMAND, 'attach', '--bus', 'session', '--address', BRIDGE]
    words += [word for name in IMPORTS for word in ('--import', name)]
    bridge = start(*words)
    until(lambda: os.path.exists(BRIDGE.split('=', 1)[1]))
    return bridge


def move(back):
    for names, command in reversed(MOVES) if back else MOVES:
        words = [*COMMAND, 'migrate', '--address', BRIDGE, '--stop-old', '--timeout', '60']
        words += ['--back'] if back else []
        status, text = run(*words, *names, '--', *command, patience_s=150)
        say(text)
        result['outcomes'].setdefault('migrate', {})[f'{names[0]}{" back" if back else ""}'] = {'status': status}
        save()


bridge = None
result['figures']['bus started after s'] = round(float(open(f'{OUT}/bus-began').read()) - began, 2)
panel = until(lambda: windows('xfce4-panel'), 180)
result['figures']['panel visible after s'] = round(time.time() - began, 2)
desktop = until(lambda: windows('xfdesktop'), 120)
result['outcomes']['start'] = {'': {'panel': bool(panel), 'desktop': bool(desktop)}}
screenshot('start')
env = dict(os.environ)
if IS_ATTACHED:
    bridge = attach()
    take(STEPS, '', here(BRIDGE))
    screenshot('imported')
    move(back=False)
    take(MOVED_STEPS, ' moved', here(BRIDGE))
    take(MOVED_STEPS, ' moved, from the old bus', env)
    screenshot('moved')
    move(back=True)
    take(MOVED_STEPS, ' moved back', here(BRIDGE))
else:
    take(STEPS, '', env)
screenshot('end')
result['figures'] |= buses()
save()
session = int(open(f'{OUT}/session.pid').read())
status, _text = run('xfce4-session-logout', '--logout', '--fast')


def has_ended():
    try:
        return open(f'/proc/{session}/stat').read().rsplit(')', 1)[1].split()[0] == 'Z'
    except OSError:
        return True


result['outcomes']['logout'] = {'': {'status': status, 'ended': bool(until(has_ended))}}
if bridge:
    bridge.terminate()
save()
