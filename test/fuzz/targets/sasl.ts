import { getuid } from '#core/linux/index.js';
import type { Random } from '../../core/random.js';
import { RawDBusClient } from '../raw-dbus-client.js';
import { base64, bytesOf, fromBase64, mutated, type Place, type Target } from '../target.js';

interface Step {
  readonly bytes: string;
  readonly waits: boolean;
}

function anyLine(random: Random): Uint8Array {
  const uid = Buffer.from(String(random.pick([getuid(), 0, 1000, 4_294_967_295]))).toString('hex');
  const line = random.pick([
    `AUTH EXTERNAL ${uid}`,
    'AUTH EXTERNAL',
    'AUTH',
    'AUTH ANONYMOUS 74657374',
    'AUTH DBUS_COOKIE_SHA1 726f6f74',
    `AUTH DBUS_COOKIE_SHA1 ${Buffer.from('../../etc').toString('hex')}`,
    'AUTH KERBEROS_V4',
    'DATA',
    `DATA ${uid}`,
    `DATA ${'61'.repeat(random.below(9000))}`,
    'DATA 0',
    'CANCEL',
    'ERROR',
    'ERROR "x"',
    'NEGOTIATE_UNIX_FD',
    'BEGIN',
    'REJECTED EXTERNAL',
    'OK 00',
    '',
    ' ',
    `X${'y'.repeat(random.pick([1, 100, 16_380, 16_384, 70_000]))}`,
  ]);
  const end = random.chance(0.95) ? '\r\n' : random.pick(['\n', '\r', '', '\r\r\n', '\0\r\n']);
  const bytes = Buffer.from(line + end);
  return random.chance(0.1) ? mutated(random, bytes) : bytes;
}

function generate(random: Random): Step[] {
  const steps: Step[] = [];
  if (random.chance(0.95)) steps.push({ bytes: base64(Uint8Array.of(0)), waits: false });
  for (let count = random.below(20); count > 0; count--) {
    const bytes = random.chance(0.02) ? bytesOf(random, random.below(500)) : anyLine(random);
    steps.push({ bytes: base64(bytes), waits: random.chance(0.1) });
  }
  return steps;
}

/** What is said before the first message. */
export const sasl: Target = {
  needsBus: true,
  generate,
  async perform(steps, { socketPath }: Place) {
    let sent = 0;
    // A handful of connections at once: half of a handshake is kept open while others begin theirs.
    const clients: RawDBusClient[] = [];
    try {
      for (const { bytes, waits } of steps as Step[]) {
        if (clients.length === 0 || (waits && clients.length < 8))
          clients.push(new RawDBusClient(socketPath));
        for (const client of clients) {
          if (!client.send(fromBase64(bytes))) continue;
          sent++;
          client.discardInput();
        }
        if (waits) await new Promise((resolve) => setTimeout(resolve, 1));
      }
    } finally {
      for (const client of clients) client.close();
    }
    return sent;
  },
};
