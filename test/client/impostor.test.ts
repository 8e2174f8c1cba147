// Native peers that misuse their capability to a legacy client: it does not notice. Needs a domain.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DecodedMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { RawClient } from '../support/raw-client.js';
import { Bridge } from './home.js';
import { ServiceProcess } from './service-process.js';

const VICTIM = 'org.example.Victim';
const SERVICE = 'org.example.Service';

/** What impostor.mjs does, and what it would lead to. */
const DEEDS = [
  ['disconnect', 'it would be disconnected'],
  ['welcome', 'it would speak under another name'],
  ['monitor', 'it would be listened to no more'],
  ['release', 'it would lose its name'],
  ['nothing', 'an empty message'],
  ['resolve', 'the answer of the registry would go to it'],
  ['unowned', 'the same for a name that nobody has'],
  ['admit', 'another connection would be admitted in its place'],
  ['ask', 'an answer of the bus would go to it'],
  ['call', 'an answer of a service would go to it'],
  ['own', 'another name would lead to it, and its own would be released with that'],
  ['claim', 'a name that nobody has asked for would lead to it'],
] as const;

let bridge: Bridge;
let victim: RawClient;
let service: RawClient;
let observer: RawClient;

beforeAll(async () => {
  bridge = await Bridge.start();
});
afterAll(() => bridge.stop());

beforeEach(() => {
  [victim, service, observer] = [1, 2, 3].map(() => RawClient.open(bridge.address));
  victim.callBus('RequestName', 'su', [VICTIM, 0]);
  service.callBus('RequestName', 'su', [SERVICE, 0]);
  victim.receiveWaiting();
});
afterEach(() => {
  for (const each of [victim, service, observer]) each.close();
});

/** Answers what has come for one of the two; returns what the victim should not have got. */
function look(): DecodedMessage[] {
  const unexpected: DecodedMessage[] = [];
  for (const each of [victim, service]) {
    for (const message of each.receiveWaiting()) {
      if (message.type === MessageType.MethodCall) each.reply(message);
      if (each === victim && message.member !== 'Ping') unexpected.push(message);
    }
  }
  return unexpected;
}

async function misuse(by: string, deed: string): Promise<DecodedMessage[]> {
  const unexpected: DecodedMessage[] = [];
  const state = { isOver: false };
  const started = ServiceProcess.start('impostor.mjs', bridge.address, by, SERVICE, deed);
  const over = started.finally(() => (state.isOver = true));
  while (!state.isOver) {
    unexpected.push(...look());
    await new Promise(setImmediate);
  }
  await (await over).end();
  return unexpected;
}

describe.each([
  ['name', () => VICTIM],
  ['unique name', () => victim.uniqueName],
])('by its %s', (_, by) => {
  test.each(DEEDS)('%s: %s', async (deed) => {
    const unexpected = await misuse(by(), deed);
    expect(observer.callBus('GetNameOwner', 's', [VICTIM])).toEqual([victim.uniqueName]);
    expect(victim.callBus('GetNameOwner', 's', [SERVICE])).toEqual([service.uniqueName]);
    observer.callBus('AddMatch', 's', ["member='Here'"]);
    victim.post(MessageType.Signal, { path: '/', interface: 'a.b', member: 'Here' });
    expect(observer.receiveSignal('Here').sender).toBe(victim.uniqueName);
    const serial = observer.startCall({ destination: VICTIM, member: 'Ask' });
    victim.reply(victim.receive(({ member }) => member === 'Ask'));
    expect(observer.replyTo(serial).sender).toBe(victim.uniqueName);
    expect([...unexpected, ...look()]).toEqual([]);
  });
});
