"""usage: journal.py    stands in for systemd-journald, without which dbus-broker-launch does not start

Reads what is logged and forgets it. Prints "ready" when somebody does, this program or another one, of which it takes
over when that ends. Ends with its standard input.
"""

import errno
import os
import select
import socket
import sys

DIRECTORY = '/run/systemd/journal'
PATH = f'{DIRECTORY}/socket'
INTERVAL_SECONDS = 0.02
DATAGRAM_MAX_BYTES = 256 * 1024


def somebody_reads():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(PATH)
        except OSError:
            return False
    return True


def bind():
    os.makedirs(DIRECTORY, exist_ok=True)
    if os.path.exists(PATH):
        os.unlink(PATH)
    reader = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        reader.bind(PATH)
    except OSError as error:
        reader.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None  # another one was quicker
    return reader


reader = None
is_ready = False
while True:
    if reader is None and not somebody_reads():
        reader = bind()
    if not is_ready:
        print('ready', flush=True)
        is_ready = True
    waiting = [sys.stdin] if reader is None else [sys.stdin, reader]
    readable, _, _ = select.select(waiting, [], [], INTERVAL_SECONDS if reader is None else None)
    if reader in readable:
        reader.recv(DATAGRAM_MAX_BYTES)
    if sys.stdin in readable and not sys.stdin.read(1):
        break
if reader is not None:
    os.unlink(PATH)
    if not os.listdir(DIRECTORY):
        os.rmdir(DIRECTORY)
