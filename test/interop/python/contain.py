"""usage: contain.py SECONDS COMMAND...    runs COMMAND and leaves no process behind

Orphans are re-parented to this program, which reaps them at once as init would: a test that waits
for a daemon's process ID to vanish would otherwise wait for ever where process 1 reaps nobody.
What is left when COMMAND has ended, or after SECONDS, is killed. Exits as COMMAND did (124 on
time-out, 128 + number after a signal).
"""

import ctypes
import os
import signal
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def parent_of(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            # The command's name is in parentheses and may hold anything, also parentheses.
            return int(file.read().rpartition(')')[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def children():
    pids = [int(name) for name in os.listdir('/proc') if name.isdigit()]
    return [pid for pid in pids if parent_of(pid) == os.getpid()]


def kill_descendants():
    # Killing one child hands its own children to us, so look again until nobody is left.
    while pids := children():
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            os.waitpid(pid, 0)


def exit_code(status):
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


class TimedOut(Exception):
    pass


def on_alarm(_number, _frame):
    raise TimedOut


def wait_for(main_pid):
    while True:
        pid, status = os.wait()
        if pid == main_pid:
            return exit_code(status)


signal.signal(signal.SIGALRM, on_alarm)
signal.alarm(int(sys.argv[1]))
process = subprocess.Popen(sys.argv[2:], start_new_session=True)
try:
    result = wait_for(process.pid)
    signal.alarm(0)
except TimedOut:
    print(f'contain.py: no end within {sys.argv[1]} s: {sys.argv[2:]}', file=sys.stderr)
    result = 124
kill_descendants()
os._exit(result)
