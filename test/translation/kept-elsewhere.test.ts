// The same when the service is in another host of the bus, or on another bus, where signals may overtake answers.
import { join as joinPath } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Capability, join, type Bus } from '#bridge/client/index.js';
import { connect, watchNames } from '../support/names.js';
import { describeWith } from '../support/software.js';
import { Bridge as AttachedBridge } from '../uplink/bridge.js';
import { OLD_BUSES, OLD_BUS_SOFTWARE, OldBus } from '../uplink/old-bus.js';
import { Bridge, call, gone, listenTo } from './bridge.js';
import { Desk, NAME } from './desk.js';

const MAPPING = ['--mapping', joinPath(import.meta.dirname, 'kept.yaml')];
const ORDERS = [
  ['a', 'before the answer', (answer: Uint8Array, signal: Uint8Array) => [signal, answer]],
  ['b', 'after the answer', (answer: Uint8Array, signal: Uint8Array) => [answer, signal]],
] as const;

/** Asks, and hears what was said before or after the answer; resolves with what has been heard. */
async function hearAll(bus: Bus, desk: Desk): Promise<unknown[]> {
  const handle = await bus.resolve(NAME);
  const heard: unknown[] = [];
  for (const [id, text, order] of ORDERS) {
    for (const isForAll of [true, false]) {
      const asking = call(handle, 'org.example.Desk.Ask');
      const asked = await desk.asked();
      const to = isForAll ? undefined : asked.sender;
      const name = `${id}${isForAll}`;
      desk.say(...order(desk.answer(asked, name), desk.signal(name, 'Response', text, to)));
      const request = (await asking) as Capability;
      const released = gone(request);
      const signals = await listenTo(bus, request);
      heard.push(...(await signals.next('Response')).body);
      await released;
    }
  }
  return heard;
}

const ALL = ORDERS.flatMap(([, text]) => [text, text]);

test('in another process of the bus', async () => {
  const bridge = await Bridge.start(...MAPPING, '--hosts', '2');
  const desk = await Desk.start(bridge.address);
  const bus = await bridge.native();
  expect(await hearAll(bus, desk)).toEqual(ALL);
  bus.close();
  desk.stop();
  await bridge.stop();
});

describe.each(OLD_BUSES)('on another bus: %s', (kind) => {
  describeWith(OLD_BUS_SOFTWARE[kind], 'attached', () => {
    test('all is heard', async () => {
      const old = await OldBus.start(kind);
      const bridge = await AttachedBridge.attach(old, { args: MAPPING });
      const desk = await Desk.start(old.address);
      const legacy = await connect(bridge.address);
      await (await watchNames(legacy)).owned(NAME);
      const bus = await join({ address: bridge.address });
      expect(await hearAll(bus, desk)).toEqual(ALL);
      bus.close();
      desk.stop();
      legacy.disconnect();
      await bridge.stop();
      await old.stop();
    });
  });
});
