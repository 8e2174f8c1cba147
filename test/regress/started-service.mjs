// usage: node started-service.mjs NAME
//
// A service that a bus has started. It owns NAME and answers every call, until the bus goes away,
// with the value that the environment variable has which is the call's argument.
import { BlockingConnection } from '#bridge/bench/blocking-connection.js';
import { decodeMessage, encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';

const address = process.env.DBUS_STARTER_ADDRESS;
const connection = BlockingConnection.openBus(/unix:path=([^,;]*)/.exec(address)[1]);

function post(fields, body) {
  const serial = connection.serials.next();
  const bytes = encodeMessage({ ...fields, serial }, body);
  connection.output.bytes.set(bytes);
  connection.sendAll(connection.output.address, bytes.length);
}

function answer({ serial: replySerial, sender: destination, body: [name] }) {
  const fields = { type: MessageType.MethodReturn, replySerial, destination, signature: 's' };
  post(fields, [process.env[name] ?? '']);
}

// The calls that wait for the name may come before the bus's answer.
const BUS = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus' };
const request = { ...BUS, type: MessageType.MethodCall, member: 'RequestName', signature: 'su' };
post(request, [process.argv[2], 0]);

try {
  for (;;) {
    while (!connection.nextFrame()) connection.fill();
    const message = decodeMessage(connection.bytes.slice(connection.frame, connection.next));
    if (message.type === MessageType.MethodCall) answer(message);
  }
} catch {
  process.exitCode = 0;
}
