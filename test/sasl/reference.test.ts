import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync } from 'node:fs';
import { type Socket, createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CookieKeyring } from '#bridge/control/cookie-keyring.js';
import { SaslClient } from '#bridge/sasl/client.js';
import type { MechanismName } from '#bridge/sasl/mechanism.js';
import { MECHANISMS } from '#bridge/sasl/mechanism.js';
import { SaslServer } from '#bridge/sasl/server.js';
import { decodeMessage, encodeMessage } from '#bridge/wire/message.js';
import { type ReferenceBus, startReferenceBus } from '../activation/reference-bus.js';
import { output } from '../support/process.js';
import { describeWith, needs, PYTHON } from '../support/software.js';
import { COOKIES, hex } from './conversation.js';

const UID = process.getuid?.() ?? 0;
const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
const daemon = [needs('dbus-daemon', 'dbus-daemon')];

async function connectTo(bus: ReferenceBus): Promise<Socket> {
  const socket = createConnection(join(bus.directory, 'bus'));
  await once(socket, 'connect');
  return socket;
}

function guidOf(bus: ReferenceBus): string {
  return /guid=([0-9a-f]{32})/u.exec(bus.address)?.[1] ?? '';
}

async function startBus(...mechanisms: readonly MechanismName[]): Promise<ReferenceBus> {
  const directory = mkdtempSync(join(tmpdir(), 'sasl-bus-'));
  const elements = mechanisms.map((name) => `<auth>${name}</auth>`).join('');
  return startReferenceBus({ directory, elements, environment: { HOME: directory } });
}

describeWith(daemon, 'our client and dbus-daemon', () => {
  test.each(['EXTERNAL', 'DBUS_COOKIE_SHA1'] as const)('agree by %s', async (mechanism) => {
    const bus = await startBus(mechanism);
    const socket = await connectTo(bus);
    const cookies = new CookieKeyring({
      directory: join(bus.directory, '.dbus-keyrings'),
      uid: UID,
      randomBytes,
      nowSeconds: () => Date.now() / 1000,
    });
    const client = new SaslClient({
      mechanisms: MECHANISMS,
      uid: UID,
      wantsUnixFds: true,
      expectedGuid: guidOf(bus),
      randomBytes,
      cookies,
    });
    try {
      socket.write(client.takeOutput());
      while (!client.isDone && client.failure === undefined) {
        const [data]: Buffer[] = await once(socket, 'data');
        client.feed(data, 0, data.length);
        socket.write(client.takeOutput());
      }
      expect([client.failure, client.mechanism]).toEqual([undefined, mechanism]);
      expect(client.hasUnixFds).toBe(true);
      expect(await sayHello(socket)).toBe(':1.0');
    } finally {
      socket.destroy();
      await bus.stop();
    }
  });
});

async function sayHello(socket: Socket): Promise<unknown> {
  const driver = 'org.freedesktop.DBus';
  const path = '/org/freedesktop/DBus';
  const fields = { type: 1, serial: 1, path, interface: driver, member: 'Hello' };
  socket.write(encodeMessage({ ...fields, destination: driver }));
  const [reply]: Buffer[] = await once(socket, 'data');
  // NameAcquired may have come along: the reply is the first message, 16 bytes of header say
  // how long it is.
  const length = 16 + ((reply.readUInt32LE(12) + 7) & -8) + reply.readUInt32LE(4);
  return decodeMessage(Uint8Array.from(reply.subarray(0, length))).body[0];
}

/** Lines whose answers do not depend on chance; cookies are compared elsewhere. */
const lines = fc.constantFrom(
  'AUTH',
  'AUTH EXTERNAL',
  `AUTH EXTERNAL ${hex(String(UID))}`,
  `AUTH EXTERNAL ${hex(String(UID + 1))}`,
  `AUTH EXTERNAL ${hex('nobody')}`,
  'AUTH EXTERNAL zz',
  'AUTH ANONYMOUS',
  `AUTH ANONYMOUS ${hex('trace')}`,
  'AUTH ANONYMOUS ff',
  'AUTH NO_SUCH_MECHANISM 00',
  'DATA',
  `DATA ${hex(String(UID))}`,
  `DATA ${hex('x')}`,
  'DATA  zz',
  'CANCEL',
  'CANCEL now',
  'ERROR',
  'ERROR "no"',
  'NEGOTIATE_UNIX_FD',
  'AGREE_UNIX_FD',
  'OK',
  'REJECTED',
  '',
  'auth',
  ' AUTH',
  '\xe9',
);

describeWith(daemon, `our server and dbus-daemon (SEED=${seed})`, () => {
  let bus: ReferenceBus;
  beforeAll(async () => {
    bus = await startBus();
  });
  afterAll(() => bus.stop());

  test('give the same answers', async () => {
    const conversations = fc.sample(fc.array(lines, { minLength: 1, maxLength: 14 }), {
      seed,
      numRuns: 250,
    });
    for (const said of conversations) {
      const request = Buffer.from(`\0${said.map((line) => `${line}\r\n`).join('')}`, 'latin1');
      const server = new SaslServer({
        guid: guidOf(bus),
        mechanisms: MECHANISMS,
        peerUid: UID,
        canPassFds: true,
        randomBytes,
        cookies: COOKIES,
      });
      server.feed(request, 0, request.length);
      const ours = Buffer.from(server.takeOutput()).toString('latin1');
      const hangsUp = server.failure !== undefined;
      const theirs = await answersOf(bus, request, ours.length, hangsUp);
      expect({ said, answers: ours, hangsUp }).toEqual({ said, ...theirs });
    }
  });
});

/** Somebody for whom it makes a difference how the number is spelt. */
const SPELLER = UID === 0 ? 1000 : UID;
const SPELLINGS: Readonly<Record<string, string>> = {
  decimal: `${SPELLER}`,
  'a plus sign': `+${SPELLER}`,
  'a minus sign': `-${SPELLER}`,
  'blanks before': ` \t\n${SPELLER}`,
  'a blank behind': `${SPELLER} `,
  'a blank behind the sign': `+ ${SPELLER}`,
  'two signs': `++${SPELLER}`,
  hexadecimal: `0x${SPELLER.toString(16)}`,
  'hexadecimal, in capitals': `0X${SPELLER.toString(16).toUpperCase()}`,
  'hexadecimal without 0x': SPELLER.toString(16),
  octal: `0${SPELLER.toString(8)}`,
  'a leading zero, which makes it octal': `0${SPELLER}`,
  'leading zeros before octal': `000${SPELLER.toString(8)}`,
  'a digit that is not octal': '08',
  'hexadecimal digits of the digits': hex(`${SPELLER}`),
  'a NUL behind': `${SPELLER}\0`,
  'a NUL before': `\0${SPELLER}`,
  'a fraction': `${SPELLER}.0`,
  'an exponent': `${SPELLER}e0`,
  'more than 32 bits': `${2 ** 32 + SPELLER}`,
  'more than 64 bits': `${2n ** 64n + BigInt(SPELLER)}`,
  'no uid at all': '4294967295',
  'the user name': 'root',
  blanks: '  ',
};

/** Says each line as this user, on a connection of its own, and prints the first word of the answer. */
const SPEAKER = `
import os, socket, sys
path, uid, *lines = sys.argv[1:]
if os.getuid() == 0:
    os.setgroups([])
    os.setresuid(int(uid), int(uid), int(uid))
for line in lines:
    bus = socket.socket(socket.AF_UNIX)
    bus.connect(path)
    bus.sendall(b'\\0' + line.encode() + b'\\r\\n')
    print(bus.recv(1024).split()[0].decode(), flush=True)
`;

describeWith([...daemon, needs(PYTHON, 'python3')], 'a uid in EXTERNAL', () => {
  let answers: string[];
  beforeAll(async () => {
    const bus = await startBus('EXTERNAL');
    chmodSync(bus.directory, 0o755);
    const lines = Object.values(SPELLINGS).map((said) => `AUTH EXTERNAL ${hex(said)}`);
    const words = ['-c', SPEAKER, join(bus.directory, 'bus'), `${SPELLER}`, ...lines];
    answers = (await output(PYTHON, words)).trim().split('\n');
    await bus.stop();
  });

  test.each(Object.entries(SPELLINGS))(
    'with %s (%j) is what dbus-daemon takes it for',
    (title, said) => {
      const options = { guid: '', mechanisms: MECHANISMS, peerUid: SPELLER, canPassFds: true };
      const server = new SaslServer({ ...options, randomBytes, cookies: COOKIES });
      const request = Buffer.from(`\0AUTH EXTERNAL ${hex(said)}\r\n`, 'latin1');
      server.feed(request, 0, request.length);
      const [ours] = Buffer.from(server.takeOutput()).toString('latin1').trim().split(/\s/u);
      expect(ours).toBe(answers[Object.keys(SPELLINGS).indexOf(title)]);
    },
  );
});

/** Reads until the daemon has said as much as expected, and hangs up if it is expected to. */
async function answersOf(
  bus: ReferenceBus,
  request: Uint8Array,
  expectedLength: number,
  awaitsHangUp: boolean,
): Promise<{ answers: string; hangsUp: boolean }> {
  const socket = await connectTo(bus);
  let answers = '';
  let hangsUp = false;
  const finished = new Promise<void>((resolve) => {
    socket.on('data', (data: Buffer) => {
      answers += data.toString('latin1');
      if (answers.length >= expectedLength && !awaitsHangUp) resolve();
    });
    // A daemon that hangs up with bytes unread makes this a reset.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      hangsUp = true;
      resolve();
    });
  });
  socket.write(request);
  await finished;
  socket.destroy();
  return { answers, hangsUp };
}
