// Whatever one connection sends, every other connection goes on. Who breaks the rules gets an error
// or is disconnected; the log says once why, and who it was. All the while two bystanders talk to
// each other.
import { openSync, closeSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WireFault, wireFaultText } from '#bridge/wire/faults.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { RawClient } from '../support/raw-client.js';
import {
  bodyOf,
  DESTINATION,
  MEMBER,
  PATH,
  rawMessage,
  REPLY_SERIAL,
  signature,
  string,
  word,
  type RawField,
} from './raw-message.js';
import { Bystanders, WatchedBus } from './watched-bus.js';

const MIB = 1024 * 1024;
const LIMITS = {
  auth_timeout: 300,
  max_message_size: MIB,
  max_message_unix_fds: 4,
  max_incoming_unix_fds: 8,
};

let bus: WatchedBus;
let bystanders: Bystanders;
let nullFd: number;
/** What the log said when the bus closed a connection: whose it was, and why. */
const closings: [name: string | undefined, msg: string][] = [];

beforeAll(async () => {
  bus = await WatchedBus.start(LIMITS);
  bystanders = await Bystanders.start(bus);
  nullFd = openSync('/dev/null', 'r');
});
afterAll(async () => {
  closeSync(nullFd);
  await bus.stop();
});

/** Waits until the bus has closed the connection, and tells why it did, in the words of the log. */
async function closing(client: RawClient): Promise<string> {
  client.readUntilEnd();
  client.close();
  return reasonFor(client.uniqueName);
}

async function reasonFor(uniqueName: string): Promise<string> {
  const { msg } = await bus.complaint(({ name }) => name === uniqueName);
  closings.push([uniqueName, msg]);
  return msg.replace('connection closed: ', '');
}

/** The same for a connection that never got a name: the next that the bus complains of. */
async function refusal(client: RawClient): Promise<string> {
  client.readUntilEnd();
  client.close();
  const { name, msg } = await bus.complaint(() => true, closings.length);
  closings.push([name, msg]);
  return msg;
}

const call = (...more: RawField[]): RawField[] => [PATH, MEMBER, ...more];
const fieldTwice = rawMessage({ fields: [PATH, MEMBER, MEMBER] });
const nested = (depth: number): Uint8Array => {
  const variants = Buffer.concat(Array.from({ length: depth }, () => signature('v')));
  return Buffer.concat([variants, signature('y'), Uint8Array.of(1)]);
};
const withBody = (types: string, body: Uint8Array): Uint8Array =>
  rawMessage({ fields: call(bodyOf(types)), body });

const MALFORMED: [title: string, bytes: Uint8Array, fault: number][] = [
  ['a first byte that is no endian mark', rawMessage({ mark: 'x' }), WireFault.EndianMark],
  ['another protocol version', rawMessage({ version: 2 }), WireFault.ProtocolVersion],
  ['type 0', rawMessage({ type: 0 }), WireFault.MessageType],
  ['serial 0', rawMessage({ serial: 0 }), WireFault.Serial],
  ['padding that is not zero', rawMessage({ padding: 1 }), WireFault.Padding],
  [
    'header fields of 64 MiB and a byte',
    rawMessage({ fieldsLength: 64 * MIB + 1 }),
    WireFault.FieldsTooLong,
  ],
  [
    'a body of 128 MiB and a byte',
    rawMessage({ bodyLength: 128 * MIB + 1 }),
    WireFault.MessageTooLong,
  ],
  [
    'a length that does not fit 31 bits',
    rawMessage({ bodyLength: 0xffff_ffff, fieldsLength: 64 * MIB }),
    WireFault.MessageTooLong,
  ],
  ['a call without PATH', rawMessage({ fields: [MEMBER] }), WireFault.MissingPath],
  ['a call without MEMBER', rawMessage({ fields: [PATH] }), WireFault.MissingMember],
  [
    'a signal without INTERFACE',
    rawMessage({ type: MessageType.Signal }),
    WireFault.MissingInterface,
  ],
  [
    'an error without ERROR_NAME',
    rawMessage({ type: MessageType.Error, fields: [REPLY_SERIAL] }),
    WireFault.MissingErrorName,
  ],
  [
    'a return without REPLY_SERIAL',
    rawMessage({ type: MessageType.MethodReturn, fields: [DESTINATION] }),
    WireFault.MissingReplySerial,
  ],
  ['an invalid PATH', rawMessage({ fields: [[1, 'o', string('a')], MEMBER] }), WireFault.Path],
  [
    'an invalid INTERFACE',
    rawMessage({ fields: call([2, 's', string('a')]) }),
    WireFault.Interface,
  ],
  ['an invalid MEMBER', rawMessage({ fields: [PATH, [3, 's', string('a.b')]] }), WireFault.Member],
  [
    'an invalid ERROR_NAME',
    rawMessage({ type: MessageType.Error, fields: [REPLY_SERIAL, [4, 's', string('a')]] }),
    WireFault.ErrorName,
  ],
  [
    'an invalid DESTINATION',
    rawMessage({ fields: call([6, 's', string('a..b')]) }),
    WireFault.Destination,
  ],
  ['an invalid SENDER', rawMessage({ fields: call([7, 's', string('')]) }), WireFault.Sender],
  [
    'a REPLY_SERIAL of 0',
    rawMessage({ fields: [[5, 'u', word(0)]], type: MessageType.MethodReturn }),
    WireFault.ReplySerial,
  ],
  ['the reserved path', reserved(1, 'o', '/org/freedesktop/DBus/Local'), WireFault.ReservedPath],
  [
    'the reserved interface',
    reserved(2, 's', 'org.freedesktop.DBus.Local'),
    WireFault.ReservedInterface,
  ],
  [
    'a field with the code 0',
    rawMessage({ fields: call([0, 's', string('')]) }),
    WireFault.FieldCode,
  ],
  [
    'a field of the wrong type',
    rawMessage({ fields: [PATH, [3, 'u', word(1)]] }),
    WireFault.FieldType,
  ],
  ['a field that appears twice', fieldTwice, WireFault.FieldDuplicate],
  [
    'a string that ends beyond the fields',
    rawMessage({ fields: [PATH, [3, 's', word(1000)]] }),
    WireFault.OutOfBounds,
  ],
  [
    'a string without NUL',
    rawMessage({ fields: [PATH, [3, 's', string('M', 1)]] }),
    WireFault.NotTerminated,
  ],
  ['a signature with an unknown type', withBody('z', word(0)), WireFault.SignatureTypeCode],
  ['a body without signature', rawMessage({ body: word(0) }), WireFault.TrailingBytes],
  ['a body that is too short', withBody('uu', word(0)), WireFault.OutOfBounds],
  ['a boolean of 2', withBody('b', word(2)), WireFault.Boolean],
  ['a string that is not UTF-8', withBody('s', string(Uint8Array.of(0xc0, 0x80))), WireFault.Utf8],
  ['an array that is too long', withBody('ay', word(64 * MIB + 1)), WireFault.ArrayTooLong],
  ['variants nested too deep', withBody('v', nested(70)), WireFault.Nesting],
];

function reserved(code: number, type: string, text: string): Uint8Array {
  const fields: RawField[] = code === 1 ? [MEMBER] : [PATH, MEMBER];
  return rawMessage({ fields: [...fields, [code, type, string(text)]] });
}

describe('a malformed message ends its connection', () => {
  test.each(MALFORMED)('%s', async (_, bytes, fault) => {
    const client = RawClient.open(bus.address);
    client.send(bytes);
    expect(await closing(client)).toBe(`it sent a malformed message: ${wireFaultText(fault)}`);
  });

  test('one byte more than max_message_size', async () => {
    const client = RawClient.open(bus.address);
    client.send(rawMessage({ bodyLength: MIB }));
    expect(await closing(client)).toBe(`it sent a message larger than max_message_size=${MIB}`);
  });

  test('what was sent before it counts, what follows does not', async () => {
    const [client, other] = [RawClient.open(bus.address), RawClient.open(bus.address)];
    const signal = {
      type: MessageType.Signal,
      path: '/',
      interface: 'a.b',
      destination: other.uniqueName,
    };
    const before = encodeMessage({ ...signal, serial: 3, member: 'Before' });
    const after = encodeMessage({ ...signal, serial: 4, member: 'After' });
    client.send(Buffer.concat([before, rawMessage({ type: 0 }), after]));
    expect(await closing(client)).toBe(
      `it sent a malformed message: ${wireFaultText(WireFault.MessageType)}`,
    );
    other.callBus('GetId');
    const members = other.receiveWaiting().map(({ member }) => member);
    expect(members).toEqual(['NameAcquired', 'Before']);
    other.close();
  });
});

describe('what a bus corrects', () => {
  let sender: RawClient;
  let receiver: RawClient;
  beforeAll(() => {
    sender = RawClient.open(bus.address);
    receiver = RawClient.open(bus.address);
  });
  afterAll(() => {
    sender.close();
    receiver.close();
  });

  const toReceiver = (...more: RawField[]): Uint8Array =>
    rawMessage({ fields: call([6, 's', string(receiver.uniqueName)], ...more) });

  test('a forged SENDER is overwritten', () => {
    sender.send(toReceiver([7, 's', string('org.freedesktop.DBus')]));
    expect(receiver.receive(({ member }) => member === 'M').sender).toBe(sender.uniqueName);
  });

  test('unknown header fields are taken out', () => {
    const marker = 'an unknown field';
    sender.send(toReceiver([200, 's', string(marker)]));
    receiver.read(4096);
    expect(receiver.receive(({ member }) => member === 'M')).toMatchObject({
      sender: sender.uniqueName,
      path: '/a',
    });
    expect(receiver.seen(marker)).toBe(false);
    expect(receiver.seen(sender.uniqueName)).toBe(true);
  });

  test.each([
    [
      'an unknown message type',
      { type: 5 },
      'Message bus will not accept messages of unknown type',
    ],
    [
      'a return that nobody waits for',
      { type: MessageType.MethodReturn, replySerial: 99 },
      'Rejected send message: no call of',
    ],
    [
      'an error that nobody waits for',
      { type: MessageType.Error, replySerial: 99, errorName: 'a.b' },
      'Rejected send message: no call of',
    ],
  ])('%s is answered with AccessDenied', (_, fields, text) => {
    const serial = sender.post(fields.type as MessageType, {
      path: '/',
      destination: receiver.uniqueName,
      ...fields,
    });
    expect(sender.replyTo(serial)).toMatchObject({
      errorName: 'org.freedesktop.DBus.Error.AccessDenied',
      body: [expect.stringContaining(text)],
    });
  });

  test('a second Hello is answered with Failed', () => {
    expect(() => sender.callBus('Hello')).toThrow('Already handled an Hello message');
  });
});

describe('descriptors', () => {
  const withDescriptors = (unixFds: number): Uint8Array =>
    encodeMessage({ type: MessageType.MethodCall, serial: 9, path: '/', member: 'M', unixFds });

  test('without having negotiated them', async () => {
    const client = RawClient.open(bus.address, false);
    client.send(withDescriptors(1), [nullFd]);
    expect(await closing(client)).toBe('it sent file descriptors without having negotiated them');
  });

  test('without having negotiated them, and without saying so', async () => {
    const client = RawClient.open(bus.address, false);
    client.send(rawMessage({}), [nullFd]);
    expect(await closing(client)).toBe('it sent file descriptors without having negotiated them');
  });

  test('more in one message than max_message_unix_fds', async () => {
    const client = RawClient.open(bus.address);
    client.send(withDescriptors(5), Array<number>(5).fill(nullFd));
    expect(await closing(client)).toBe(
      'its message carries 5 file descriptors, more than max_message_unix_fds=4',
    );
  });

  test('more without a message than max_incoming_unix_fds', async () => {
    const client = RawClient.open(bus.address);
    client.send(withDescriptors(4).slice(0, 20), Array<number>(9).fill(nullFd));
    expect(await closing(client)).toBe(
      'it sent more file descriptors without their messages than max_incoming_unix_fds=8',
    );
  });

  test('announced, but not sent', async () => {
    const client = RawClient.open(bus.address);
    client.send(withDescriptors(2), [nullFd]);
    expect(await closing(client)).toBe(
      'its message announces 2 file descriptors that did not arrive',
    );
  });
});

describe('before Hello', () => {
  test('the bus answers anything but Hello with AccessDenied', () => {
    const client = new RawClient(bus.address).authenticate();
    expect(() => client.callBus('GetId')).toThrow('other than Hello without being registered');
    client.close();
  });

  test('a message to somebody else ends the connection', async () => {
    const client = new RawClient(bus.address).authenticate();
    client.startCall({ destination: 'org.example.Bystander', member: 'Double' });
    expect(await refusal(client)).toBe(
      'connection closed: it sent a message to another connection before Hello',
    );
  });

  test('who authenticates and says no more is not waited for', async () => {
    const client = new RawClient(bus.address).authenticate();
    expect(await refusal(client)).toBe(
      'connection closed: it did not send Hello within auth_timeout=300 ms',
    );
  });
});

describe('a handshake that is broken', () => {
  const sixTimes = '\0' + 'AUTH KERBEROS_V4\r\n'.repeat(6);
  test.each([
    ['no NUL byte', 'AUTH\r\n', 'the first byte is 65, not NUL'],
    ['a line that never ends', `\0${'a'.repeat(16_384)}`, 'a line exceeds 16384 bytes'],
    [
      'garbage without end',
      `\0${'\r\n'.repeat(8000)}`,
      'it does not read the replies to its authentication',
    ],
    ['BEGIN before anything else', '\0BEGIN\r\n', 'BEGIN without a successful AUTH'],
    [
      'six mechanisms that do not exist',
      sixTimes,
      'rejected 6 times; last reason: the mechanism KERBEROS_V4 is not on offer',
    ],
  ])('%s', async (_, text, reason) => {
    const client = new RawClient(bus.address);
    client.send(Buffer.from(text));
    expect(await refusal(client)).toBe(`connection refused: ${reason}`);
  });

  test('descriptors before it is over', async () => {
    const client = new RawClient(bus.address);
    client.send(Buffer.from('\0AUTH EXTERNAL'), [nullFd]);
    expect(await refusal(client)).toBe(
      'connection refused: it sent file descriptors before it had authenticated',
    );
  });

  test('one that is never finished', async () => {
    const client = new RawClient(bus.address);
    client.send(Buffer.from('\0AUTH EXTERNAL'));
    expect(await refusal(client)).toBe(
      'connection refused: it did not authenticate within auth_timeout=300 ms',
    );
  });

  test('hanging up is nobody’s business', () => {
    const client = new RawClient(bus.address);
    client.send(Buffer.from('\0AUTH'));
    client.close();
    expect(bus.complaints()).toHaveLength(closings.length);
  });
});

describe('half a message', () => {
  const LEFT = 'it disconnected in the middle of a message, after 30 bytes of it';
  const half = rawMessage({}).slice(0, 30);

  test('and then nothing: the client has hung up', async () => {
    const client = RawClient.open(bus.address);
    client.receiveSignal('NameAcquired');
    client.send(half);
    const { uniqueName } = client;
    client.close();
    expect(await reasonFor(uniqueName)).toBe(LEFT);
  });

  test('and then a reset: the client has not read what was sent to it', async () => {
    const [client, other] = [RawClient.open(bus.address), RawClient.open(bus.address)];
    const { uniqueName } = client;
    client.send(half);
    other.post(MessageType.Signal, {
      path: '/',
      interface: 'a.b',
      member: 'M',
      destination: uniqueName,
    });
    other.callBus('GetId');
    client.close();
    other.close();
    expect(await reasonFor(uniqueName)).toBe(LEFT);
  });
});

test('one byte at a time is slow, and works', () => {
  const client = new RawClient(bus.address);
  const uid = Buffer.from(String(process.getuid!())).toString('hex');
  client.sendByByte(Buffer.from(`\0AUTH EXTERNAL ${uid}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n`));
  expect([client.receiveLine(), client.receiveLine()]).toEqual([
    expect.stringMatching(/^OK [0-9a-f]{32}$/),
    'AGREE_UNIX_FD',
  ]);
  const toBus = {
    destination: 'org.freedesktop.DBus',
    path: '/',
    interface: 'org.freedesktop.DBus',
  };
  for (const [index, member] of ['Hello', 'GetId', 'ListNames'].entries()) {
    const serial = index + 1;
    client.sendByByte(encodeMessage({ type: MessageType.MethodCall, serial, member, ...toBus }));
    expect(client.replyTo(serial)).toMatchObject({ type: MessageType.MethodReturn });
  }
  client.close();
});

test('the log says once who was disconnected and why, and nothing else', async () => {
  const { asked, answered } = await bystanders.finish();
  expect(answered).toBe(asked);
  await bus.stop();
  expect(bus.complaints().map(({ name, msg }) => [name, msg])).toEqual(closings);
  const { pid } = process;
  const others = bus
    .complaints()
    .filter((line) => line.pid !== pid || line.uid !== process.getuid!());
  expect(others).toEqual([]);
});
