// usage: node bystanders.mjs SOCKET_PATH
//
// Two clients that exchange calls until standard input ends, whatever others do to the bus. Prints
// "ready" after the first exchange, and at the end how many calls were made and how many were
// answered rightly.
import { BlockingConnection } from '#bridge/bench/blocking-connection.js';
import { decodeMessage, encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';

const NAME = 'org.example.Bystander';
/** Between two looks at standard input. */
const CALLS_AT_ONCE = 16;

function post(connection, fields, body) {
  const serial = connection.serials.next();
  const bytes = encodeMessage({ ...fields, serial }, body);
  connection.output.bytes.set(bytes);
  connection.sendAll(connection.output.address, bytes.length);
}

function receive(connection, type) {
  for (;;) {
    if (!connection.nextFrame()) connection.fill();
    else if (connection.bytes[connection.frame + 1] === type) {
      return decodeMessage(connection.bytes.slice(connection.frame, connection.next));
    }
  }
}

const caller = BlockingConnection.openBus(process.argv[2]);
const service = BlockingConnection.openBus(process.argv[2]);
service.callBus('RequestName', 'su', [NAME, 0]);

let asked = 0;
let answered = 0;

function exchange() {
  asked++;
  const call = { type: MessageType.MethodCall, path: '/', member: 'Double', destination: NAME };
  post(caller, { ...call, signature: 'u' }, [asked]);
  const { serial, sender, body } = receive(service, MessageType.MethodCall);
  const reply = { type: MessageType.MethodReturn, destination: sender, replySerial: serial };
  post(service, { ...reply, signature: 'u' }, [body[0] * 2]);
  if (receive(caller, MessageType.MethodReturn).body[0] === asked * 2) answered++;
}

const end = new AbortController();
process.stdin.on('end', () => end.abort()).resume();
exchange();
process.stdout.write('ready\n');
while (!end.signal.aborted) {
  for (let i = 0; i < CALLS_AT_ONCE; i++) exchange();
  await new Promise(setImmediate);
}
process.stdout.write(`${asked} asked, ${answered} answered\n`);
