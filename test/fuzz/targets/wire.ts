import { closeSync, openSync } from 'node:fs';
import type { Random } from '../../core/random.js';
import { anyMessage, DRIVER, plainCall } from '../random-message.js';
import { RawDBusClient } from '../raw-dbus-client.js';
import { anyWord, base64, fromBase64, type Place, type Target } from '../target.js';

interface Step {
  readonly bytes: string;
  readonly fds: number;
  /** sent in pieces of this size */
  readonly pieces: number;
}

const SERVICES = ['org.bus1.Legacy', 'org.bus1.Native', 'org.bus1.Started'];

function generate(random: Random): Step[] {
  const steps: Step[] = [];
  const spoilt = random.pick([0, 0.02, 0.02, 0.2]);
  for (let count = 1 + random.below(120); count > 0; count--) {
    const messages = Array.from({ length: random.pick([1, 1, 1, 5, 30]) }, () =>
      anyMessage(random, { services: SERVICES }, spoilt),
    );
    steps.push({
      bytes: base64(Buffer.concat(messages)),
      fds: random.chance(0.05) ? random.below(20) : 0,
      pieces: random.chance(0.05) ? 1 + (anyWord(random) & 63) : 0,
    });
  }
  return steps;
}

/** D-Bus messages of a client that has said Hello, or has not. */
export const wire: Target = {
  needsBus: true,
  generate,
  async perform(steps, { socketPath }: Place) {
    const client = RawDBusClient.open(socketPath);
    if (client === undefined) return 0;
    const file = openSync('/dev/null', 'r');
    let sent = 0;
    try {
      if (steps.length % 8 !== 0) client.send(plainCall(DRIVER, 'Hello', 1));
      for (const { bytes, fds, pieces } of steps as Step[]) {
        const message = fromBase64(bytes);
        if (!(await client.sendSlowly(message, pieces, Array<number>(fds).fill(file)))) break;
        sent += messagesIn(message);
        client.discardInput();
      }
      client.discardInput();
    } finally {
      client.close();
      closeSync(file);
    }
    return sent;
  },
};

/** At least one; more where they say truly how long they are. */
function messagesIn(bytes: Uint8Array): number {
  let count = 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + 16 <= bytes.length; count++) {
    at += ((16 + view.getUint32(at + 12, true) + 7) & ~7) + view.getUint32(at + 4, true);
  }
  return Math.max(count, 1);
}
