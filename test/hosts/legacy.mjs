// A D-Bus client and service over a socket, as fast as the kernel lets them: they never look at what they need not.
import {
  connectUnix,
  setNonBlocking,
  recvBytes,
  sendBytes,
  NativeMemory,
  getuid,
} from '#core/linux/index.js';
import { SaslClient } from '#bridge/sasl/client.js';
import { frameLength } from '#bridge/wire/header.js';
import { decodeMessage, encodeMessage } from '#bridge/wire/message.js';
import { randomBytes } from 'node:crypto';

const PATH = '/org/bus1/test';
const INTERFACE = 'org.bus1.Test';
const OUTSTANDING = 16;
const CALL = 1;
const RETURN = 2;
const ERROR = 3;

/** A blocking connection. */
class Connection {
  constructor(address) {
    const [, path] = /unix:path=([^,;]*)/.exec(address);
    this.fd = connectUnix(decodeURIComponent(path));
    setNonBlocking(this.fd, false);
    this.input = NativeMemory.map(1 << 20);
    this.output = NativeMemory.map(1 << 20);
    this.start = 0;
    this.end = 0;
    this.serial = 0;
    this.authenticate();
    this.uniqueName = this.callBus('Hello').body[0];
  }

  authenticate() {
    const client = new SaslClient({ uid: getuid(), wantsUnixFds: false, randomBytes });
    this.send(client.takeOutput());
    while (!client.isDone) {
      this.fill();
      this.start += client.feed(this.input.bytes, this.start, this.end);
      this.send(client.takeOutput());
    }
  }

  send(bytes) {
    this.output.bytes.set(bytes);
    for (let sent = 0; sent < bytes.length;) {
      const count = sendBytes(this.fd, this.output.address + sent, bytes.length - sent);
      if (count < 0) throw new Error('the bus has closed the connection');
      sent += count;
    }
  }

  fill() {
    /* a caller that sends without a pause never lets it become empty */
    this.input.bytes.copyWithin(0, this.start, this.end);
    this.end -= this.start;
    this.start = 0;
    const room = this.input.length - this.end;
    const count = recvBytes(this.fd, this.input.address + this.end, room);
    // As libdbus does on a session bus: who is disconnected ends.
    if (count <= 0) process.exit(1);
    this.end += count;
  }

  /** The bytes of the next message. */
  next() {
    for (;;) {
      const { bytes, view } = this.input;
      const length = frameLength(bytes, view, this.start, this.end);
      if (length > 0 && this.start + length <= this.end) {
        const message = bytes.slice(this.start, this.start + length);
        this.start += length;
        return message;
      }
      this.fill();
    }
  }

  callBus(member, signature, body = []) {
    const serial = ++this.serial;
    const name = 'org.freedesktop.DBus';
    const path = '/org/freedesktop/DBus';
    this.send(
      encodeMessage(
        { type: CALL, serial, path, interface: name, member, destination: name, signature },
        body,
      ),
    );
    for (;;) {
      const message = decodeMessage(this.next());
      if (message.replySerial === serial) return message;
    }
  }
}

/** Answers each call with its own number, for ever. */
export function serveLegacy(address, name, ready) {
  const connection = new Connection(address);
  connection.callBus('RequestName', 'su', [name, 0]);
  ready(connection.uniqueName);
  setImmediate(() => {
    for (;;) {
      const { type, serial, sender, signature, body } = decodeMessage(connection.next());
      if (type !== CALL || signature !== 'u') continue;
      const reply = {
        type: RETURN,
        flags: 1,
        serial: ++connection.serial,
        replySerial: serial,
        destination: sender,
        signature: 'u',
      };
      connection.send(encodeMessage(reply, body));
    }
  });
}

/** A call is lost when it ends with anything but the number that it sent. */
export class LegacyCaller {
  constructor(address, name) {
    this.connection = new Connection(address);
    this.destination = name;
  }

  get uniqueName() {
    return this.connection.uniqueName;
  }

  call(count) {
    const { connection, destination } = this;
    const awaited = new Map();
    const result = { made: count, lost: 0, error: '', ns: 0 };
    const fields = {
      type: CALL,
      path: PATH,
      interface: INTERFACE,
      member: 'Echo',
      destination,
      signature: 'u',
    };
    const beginMs = performance.now();
    for (let sent = 0, answered = 0; answered < count;) {
      while (sent < count && awaited.size < OUTSTANDING) {
        const serial = ++connection.serial;
        awaited.set(serial, sent);
        connection.send(encodeMessage({ ...fields, serial }, [sent++]));
      }
      const { type, replySerial, body, errorName } = decodeMessage(connection.next());
      if (!awaited.has(replySerial)) continue;
      answered++;
      if (type !== RETURN || body[0] !== awaited.get(replySerial)) result.lost++;
      if (type === ERROR) result.error = `${errorName}: ${String(body[0])}`;
      awaited.delete(replySerial);
    }
    result.ns = (performance.now() - beginMs) * 1e6;
    return result;
  }

  resolve(other) {
    const { connection } = this;
    const serial = ++connection.serial;
    const fields = {
      type: CALL,
      serial,
      path: PATH,
      interface: INTERFACE,
      member: 'Echo',
      destination: other,
    };
    connection.send(encodeMessage(fields));
    for (;;) {
      const { type, replySerial, body, errorName } = decodeMessage(connection.next());
      if (replySerial === serial) return type === ERROR ? `${errorName}: ${String(body[0])}` : '';
    }
  }
}
