import { encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import type { Random } from '../../core/random.js';
import { anyDriverCall } from '../../differential/random-driver-call.js';
import { DRIVER, plainCall } from '../random-message.js';
import { RawDBusClient } from '../raw-dbus-client.js';
import { base64, fromBase64, mutated, type Place, type Target } from '../target.js';

interface Step {
  readonly client: number;
  readonly bytes: string;
  readonly reads: boolean;
  readonly hangsUp: boolean;
}

const CLIENTS = 4;
const ODD = [
  '\u{10ffff}',
  "'",
  ',',
  '=',
  '\\',
  "arg63='x'",
  "arg64='x'",
  'arg0path',
  '*',
  '',
  ' '.repeat(2000),
  '0'.repeat(1024),
];

/** Text that means something, with something else in it. */
function spoilt(random: Random, text: string): string {
  const at = random.below(text.length + 1);
  return text.slice(0, at) + random.pick(ODD) + text.slice(random.chance(0.5) ? at : at + 1);
}

function anyCall(random: Random, serial: number): Uint8Array {
  for (;;) {
    const { path, interface: of, member, signature, body = [] } = anyDriverCall(random, CLIENTS);
    const values = body.map((value) => {
      if (typeof value !== 'string') return value;
      const text = value.replaceAll('#', ':1.');
      return random.chance(0.2) ? spoilt(random, text) : text;
    });
    try {
      const fields = {
        type: MessageType.MethodCall,
        serial,
        path,
        interface: of,
        member,
        signature,
      };
      return encodeMessage({ ...fields, destination: DRIVER }, values);
    } catch {
      // What cannot be said in D-Bus at all is the business of another target.
    }
  }
}

function generate(random: Random): Step[] {
  const steps: Step[] = [];
  const rate = random.pick([0, 0, 0.01]);
  for (let count = 1 + random.below(200); count > 0; count--) {
    const messages = Array.from({ length: random.pick([1, 1, 4, 20]) }, (_, i) =>
      anyCall(random, count * 32 + i + 2),
    );
    const bytes = Buffer.concat(messages);
    steps.push({
      client: random.below(CLIENTS),
      bytes: base64(random.chance(rate) ? mutated(random, bytes) : bytes),
      reads: random.chance(0.8),
      hangsUp: random.chance(0.03),
    });
  }
  return steps;
}

function helloFrom(path: string): RawDBusClient | undefined {
  const client = RawDBusClient.open(path);
  client?.send(plainCall(DRIVER, 'Hello', 1));
  return client;
}

/** What the bus itself is asked, by several clients that come and go. */
export const driver: Target = {
  needsBus: true,
  generate,
  perform(steps, { socketPath }: Place) {
    const clients: (RawDBusClient | undefined)[] = [];
    let sent = 0;
    try {
      for (const { client: index, bytes, reads, hangsUp } of steps as Step[]) {
        const client = (clients[index] ??= helloFrom(socketPath));
        if (client === undefined) continue;
        const isSent = client.send(fromBase64(bytes), [], 200);
        if (isSent) sent++;
        if (reads) client.discardInput();
        if (isSent && !hangsUp) continue;
        client.close();
        clients[index] = undefined;
      }
    } finally {
      for (const client of clients) client?.close();
    }
    return sent;
  },
};
