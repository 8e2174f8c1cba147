// What is allocated for a message is collected later, and some other message has to wait while V8 does that.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { allocateBytes, recvBytes, waitReadable } from '#core/linux/index.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageFlag, MessageType } from '#bridge/wire/types.js';
import { cleanEnvironment, sessionConfig } from '../support/bus.js';
import { busCommand, openFolder } from '../support/bus-command.js';
import { type Program, start } from '../support/process.js';
import { RawClient } from '../support/raw-client.js';

/** While these are passed on, V8 still compiles, which allocates as well. */
const EXCHANGES_BEFORE = 20_000;
/** Messages there and back. V8 collects when 1 MiB is full: the maximum is some 150 bytes for a message. */
const EXCHANGES = 40_000;
const COLLECTIONS_MAX = 12;
const PATIENCE_MS = 30_000;

const input = allocateBytes(4096);

/** A message that waits until it is read, by a client that has read all that came before. */
function pass(from: RawClient, message: Uint8Array, to: RawClient): void {
  from.send(message);
  if (!waitReadable(to.fd, PATIENCE_MS)) throw new Error('nothing has arrived');
  const count = recvBytes(to.fd, input.address, input.bytes.length);
  /* the bus has added the sender */
  if (count <= message.length) throw new Error('less than the message has arrived');
}

function callTo({ uniqueName }: RawClient): Uint8Array {
  const fields = {
    type: MessageType.MethodCall,
    flags: MessageFlag.NoReplyExpected,
    serial: 100,
    destination: uniqueName,
    path: '/org/example/Exchange',
    interface: 'org.example.Exchange',
    member: 'Take',
    signature: 's',
  };
  return encodeMessage(fields, ['x'.repeat(32)]);
}

async function collections(bus: Program): Promise<number> {
  /* reads what the bus has printed */
  for (let i = 0; i < 4; i++) await turnOfTheLoop();
  return bus.stdout.split('\n').filter((line) => line.includes('Scavenge')).length;
}

test('messages that are passed on leave V8 little to collect', async () => {
  const folder = openFolder('allocation-test-');
  const config = join(folder, 'bus.conf');
  writeFileSync(config, sessionConfig(`unix:path=${join(folder, 'bus')}`));
  const [node = '', ...daemon] = busCommand();
  const args = [`--config-file=${config}`, '--nofork', '--nopidfile', '--print-address'];
  const bus = start(node, ['--trace-gc', ...daemon, ...args], { env: cleanEnvironment(folder) });
  const address = await bus.waitForLine(/^unix:path=/);
  const one = RawClient.open(address);
  const other = RawClient.open(address);
  /* NameAcquired has been read after that */
  for (const client of [one, other]) client.callBus('GetId');
  const there = callTo(other);
  const back = callTo(one);
  const exchange = (count: number): void => {
    for (let i = 0; i < count; i++) {
      pass(one, there, other);
      pass(other, back, one);
    }
  };
  exchange(EXCHANGES_BEFORE);
  const before = await collections(bus);
  expect(before).toBeGreaterThan(0);
  exchange(EXCHANGES);
  expect((await collections(bus)) - before).toBeLessThanOrEqual(COLLECTIONS_MAX);
  await bus.stop();
});
