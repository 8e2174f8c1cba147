"""Sends given messages through a real bus and tells which ones arrived where.

Reads one JSON document from stdin and writes one to stdout; differential.test.ts documents both.
Raw D-Bus over sockets, because a client library refuses much of what policy has to judge: calls
without interface, replies nobody asked for, descriptors on anything.
"""
import array
import json
import os
import socket
import struct
import sys

FIRST_SERIAL = 1000
FIRST_REPLY_SERIAL = 500_000
BARRIER_SERIAL = 10_000_000
DRIVER = "org.freedesktop.DBus"
DRIVER_PATH = "/org/freedesktop/DBus"


def pad(data, alignment):
    return data + b"\0" * (-len(data) % alignment)


def text(value):
    raw = value.encode()
    return struct.pack("<I", len(raw)) + raw + b"\0"


def field(code, signature, value):
    head = struct.pack("<BB", code, 1) + signature.encode() + b"\0"
    if signature == "g":
        return head + struct.pack("<B", len(value)) + value.encode() + b"\0"
    if signature == "u":
        return head + struct.pack("<I", value)
    return head + text(value)


FIELDS = [
    ("path", 1, "o"),
    ("interface", 2, "s"),
    ("member", 3, "s"),
    ("errorName", 4, "s"),
    ("replySerial", 5, "u"),
    ("destination", 6, "s"),
    ("signature", 8, "g"),
    ("fds", 9, "u"),
]


def encode(message, serial, body=b""):
    fields = b""
    for name, code, signature in FIELDS:
        if message.get(name):
            fields = pad(fields, 8) + field(code, signature, message[name])
    fixed = struct.pack("<cBBBIII", b"l", message["type"], 0, 1, len(body), serial, len(fields))
    return pad(fixed + fields, 8) + body


def decode_fields(data):
    """Header fields of a complete message, by code."""
    end = 16 + struct.unpack_from("<I", data, 12)[0]
    at, fields = 16, {}
    while at < end:
        at += -at % 8
        code, signature = data[at], chr(data[at + 2])
        at += 4
        if signature == "g":
            length, at = data[at], at + 1
        elif signature == "u":
            fields[code] = struct.unpack_from("<I", data, at)[0]
            at += 4
            continue
        else:
            length, at = struct.unpack_from("<I", data, at)[0], at + 4
        fields[code] = data[at : at + length].decode()
        at += length + 1
    return fields


class Client:
    def __init__(self, path, uid, gids):
        self.buffer, self.inbox, self.barriers = b"", [], 0
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(20)
        self.connect_as(path, uid, gids)
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(uid).encode().hex().encode() + b"\r\n")
        self.line()
        self.socket.sendall(b"NEGOTIATE_UNIX_FD\r\n")
        self.line()
        self.socket.sendall(b"BEGIN\r\n")
        self.connected = self.hello()

    def connect_as(self, path, uid, gids):
        """The kernel notes the effective ids of this moment as the peer's credentials."""
        if os.geteuid() != 0:
            return self.socket.connect(path)
        groups, gid = os.getgroups(), os.getegid()
        os.setgroups(gids)
        os.setegid(gids[0])
        os.seteuid(uid)
        try:
            self.socket.connect(path)
        finally:
            os.seteuid(0)
            os.setegid(gid)
            os.setgroups(groups)

    def line(self):
        data = b""
        while not data.endswith(b"\r\n"):
            byte = self.socket.recv(1)
            if not byte:
                break
            data += byte
        return data

    def send(self, data, fd_count=0):
        if fd_count == 0:
            return self.socket.sendall(data)
        fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(fd_count)]
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
        sent = self.socket.sendmsg([data], [rights])
        self.socket.sendall(data[sent:])
        for fd in fds:
            os.close(fd)

    def receive(self):
        while True:
            if len(self.buffer) >= 16:
                body, _, fields = struct.unpack_from("<III", self.buffer, 4)
                length = 16 + fields + -fields % 8 + body
                if len(self.buffer) >= length:
                    data, self.buffer = self.buffer[:length], self.buffer[length:]
                    return data
            data, ancillary, _, _ = self.socket.recvmsg(65536, socket.CMSG_SPACE(253 * 4))
            for level, kind, rights in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    for fd in array.array("i", rights):
                        os.close(fd)
            if not data:
                raise EOFError("the bus has closed the connection")
            self.buffer += data

    def call(self, member, signature="", body=b""):
        """Calls the driver, keeps what arrives before its answer, and returns the answer."""
        self.barriers += 1
        serial = BARRIER_SERIAL + self.barriers
        message = {"type": 1, "path": DRIVER_PATH, "interface": DRIVER, "member": member}
        message |= {"destination": DRIVER, "signature": signature}
        self.send(encode(message, serial, body))
        while True:
            data = self.receive()
            fields = decode_fields(data)
            if fields.get(7) == DRIVER and fields.get(5) == serial:
                return data
            self.inbox.append((data, fields))

    def hello(self):
        """A user who may not connect authenticates, and is then disconnected."""
        try:
            self.unique = decode_fields(self.call("Hello"))[6]
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return False
        return True

    def request_name(self, name):
        answer = self.call("RequestName", "su", pad(text(name), 4) + struct.pack("<I", 0))
        return decode_fields(answer).get(4) or struct.unpack_from("<I", answer, len(answer) - 4)[0]


def deliver(clients, pending):
    """Sends `pending` [(sender, bytes, fds)] and waits until all of it has been dispatched."""
    for sender, data, fds in pending:
        clients[sender].send(data, fds)
    senders = {sender for sender, _, _ in pending}
    for index in senders:
        clients[index].call("GetId")
    for client in clients:
        if client.connected:
            client.call("GetId")


def collect(clients, first, count):
    """Which clients got message `first`+i from another client, and which errors came back."""
    arrived = [[] for _ in range(count)]
    errors = [None] * count
    for index, client in enumerate(clients):
        for data, fields in client.inbox:
            serial = struct.unpack_from("<I", data, 8)[0]
            answered = fields.get(5, 0) - first
            if fields.get(7) == DRIVER:
                if data[1] == 3 and 0 <= answered < count:
                    errors[answered] = fields[4]
            elif 0 <= serial - first < count:
                arrived[serial - first].append(index)
    return [{"to": to, "error": error} for to, error in zip(arrived, errors)]


def main():
    job = json.load(sys.stdin)
    clients = [Client(job["path"], c["uid"], c["gids"]) for c in job["clients"]]
    own = []
    for client, wanted in zip(clients, job["clients"]):
        if not client.connected:
            own.append([])
            continue
        for rule in wanted.get("matches", []):
            client.call("AddMatch", "s", text(rule))
        own.append([client.request_name(name) for name in wanted["names"]])

    def resolve(message):
        """Puts the unique name in place of "#2", which stands for the client with that number."""
        destination = message.get("destination")
        if destination is None or destination[0] != "#":
            return message
        return message | {"destination": clients[int(destination[1:])].unique}

    messages = job["messages"]
    deliver(clients, [
        (m["from"], encode(resolve(m), FIRST_SERIAL + i), m.get("fds", 0))
        for i, m in enumerate(messages)
    ])
    results = collect(clients, FIRST_SERIAL, len(messages))

    def answer(reply):
        call = reply["answers"]
        return resolve(reply | {"replySerial": FIRST_SERIAL + call,
                                "destination": "#" + str(messages[call]["from"])})

    replies = job.get("replies", [])
    asked = [r for r in replies if r["from"] in results[r["answers"]]["to"]]
    deliver(clients, [
        (r["from"], encode(answer(r), FIRST_REPLY_SERIAL + i), r.get("fds", 0))
        for i, r in enumerate(replies) if r in asked
    ])
    reply_results = collect(clients, FIRST_REPLY_SERIAL, len(replies))
    json.dump({
        "connected": [client.connected for client in clients],
        "own": own,
        "messages": results,
        "replies": [result if reply in asked else None
                    for reply, result in zip(replies, reply_results)],
    }, sys.stdout)


main()
