"""usage: visitor.py SOCKET_PATH UID

Becomes that user, connects, says Hello, prints its unique name, or "refused", and stays until
standard input ends.
"""
import os
import socket
import struct
import sys

PATH, UID = sys.argv[1], int(sys.argv[2])

os.setgroups([])
os.setgid(UID)
os.setuid(UID)

bus = socket.socket(socket.AF_UNIX)
bus.connect(PATH)
bus.sendall(b"\0AUTH EXTERNAL " + str(UID).encode().hex().encode() + b"\r\nBEGIN\r\n")


def field(code, signature, text):
    return struct.pack("<BB1sBI", code, 1, signature, 0, len(text)) + text + b"\0"


def padded(data):
    return data + bytes(-len(data) % 8)


NAME = b"org.freedesktop.DBus"
fields = padded(field(1, b"o", b"/org/freedesktop/DBus")) + padded(field(6, b"s", NAME))
fields += field(3, b"s", b"Hello")
hello = padded(struct.pack("<4BIII", ord("l"), 1, 0, 1, 0, 1, len(fields)) + fields)

try:
    bus.sendall(hello)
    received = b""
    while b"\0:1." not in received:
        chunk = bus.recv(4096)
        if not chunk:
            raise ConnectionResetError
        received += chunk
    start = received.index(b":1.", received.index(b"\0:1."))
    print(received[start : received.index(b"\0", start)].decode(), flush=True)
except (BrokenPipeError, ConnectionResetError):
    print("refused", flush=True)
sys.stdin.read()
