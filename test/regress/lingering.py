"""usage: lingering.py SOCKET_PATH WHEN

Sends sockets whose last close(2) waits for an hour (SO_LINGER), and closes its own first: "before authentication",
"in half a message", "in a message" that nobody gets, "after an invalid message", which the bus does not read any
more, or "as urgent data". Or it sends a unix socket in a message that nobody gets, and they are in a message to that:
"to a socket in a message"; or in one on a connection that it has not accepted: "to a listening socket in a message".
Then prints "sent", and stays until standard input ends.
"""
import array
import os
import signal
import socket
import struct
import sys

PATH, WHEN = sys.argv[1:]
HOUR = struct.pack("ii", 1, 3600)


def lingering():
    """A connected socket, with more written to it than its other end takes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    near.setblocking(False)
    try:
        while True:
            near.send(bytes(65536))
    except BlockingIOError:
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HOUR)
        return near, far


def listening():
    """A listening socket, and a connection that it has not accepted."""
    server = socket.socket(socket.AF_UNIX)
    server.bind("")
    server.listen()
    client = socket.socket(socket.AF_UNIX)
    client.connect(server.getsockname())
    return server, client


def rights(held):
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [held.fileno()]))]


def field(code, signature, value):
    data = struct.pack("<BB1sB", code, 1, signature, 0) + value
    return data + bytes(-len(data) % 8)


def text(value):
    return struct.pack("<I", len(value)) + value + b"\0"


def call(serial, destination, path, member, fds=0):
    fields = field(1, b"o", text(path)) + field(6, b"s", text(destination)) + field(3, b"s", text(member))
    fields += field(9, b"u", struct.pack("<I", fds))
    return struct.pack("<4BIII", ord("l"), 1, 0, 1, 0, serial, len(fields)) + fields


def is_stopped(pid):
    """Whether all threads have stopped: a signal takes a moment to reach those on other processors."""
    folder = f"/proc/{pid}/task"
    return all(open(f"{folder}/{task}/stat").read().rsplit(")", 1)[1].split()[0] == "T" for task in os.listdir(folder))


bus = socket.socket(socket.AF_UNIX)
bus.connect(PATH)
message = b"\0"
if WHEN != "before authentication":
    user = str(os.getuid()).encode().hex().encode()
    bus.sendall(b"\0AUTH EXTERNAL " + user + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
    bus.sendall(call(1, b"org.freedesktop.DBus", b"/org/freedesktop/DBus", b"Hello"))
    message = call(2, b"org.bus1.Absent", b"/", b"Take", 1)
near, far = lingering()
if WHEN.startswith("to a "):
    receiver, sender = listening() if "listening" in WHEN else socket.socketpair()
    sender.sendmsg([b"x"], rights(near))
    near.close()
    sender.close()
    near = receiver
pid = struct.unpack("3i", bus.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
# what the bus is to find all at once, or after the last copy but its own was closed
is_waiting = WHEN in ("after an invalid message", "as urgent data")
if is_waiting:
    os.kill(pid, signal.SIGSTOP)
    while not is_stopped(pid):
        os.sched_yield()
if WHEN == "after an invalid message":
    # a read ends behind a descriptor: unix(7), "Ancillary messages"
    with open(os.devnull) as file:
        bus.sendmsg([bytes(16)], rights(file))
bus.sendmsg([message[:1]], rights(near), socket.MSG_OOB if WHEN == "as urgent data" else 0)
near.close()
if is_waiting:
    os.kill(pid, signal.SIGCONT)
if WHEN.endswith("in a message"):
    bus.sendall(message[1:])
elif WHEN != "after an invalid message":
    bus.close()
print("sent", flush=True)
sys.stdin.read()
