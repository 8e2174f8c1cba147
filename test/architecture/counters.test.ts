// What the architecture promises, counted by the bus itself: two old programs that talk to each
// other ask the registry once, are compared with no rule, and leave nothing behind.
import { describe, expect, test } from 'vitest';
import { MessageType } from '#bridge/wire/types.js';
import { RawClient } from '../support/raw-client.js';
import { busFigures, WatchedBus } from '../host/watched-bus.js';

const CALLS = 1000;

/** By how much each figure has grown. */
function growth(before: Map<string, number>, after: Map<string, number>): Record<string, number> {
  const keys = [...after.keys()].filter((key) => /^org\.bus1\.(?:Core|Policy|Registry)/.test(key));
  return Object.fromEntries(
    keys.map((key) => [key.replace('org.bus1.', ''), after.get(key)! - before.get(key)!]),
  );
}

function callOnce(caller: RawClient, service: RawClient, destination: string): void {
  const serial = caller.startCall({ destination, member: 'Ask', signature: 's' }, ['question']);
  service.reply(
    service.receive(({ member }) => member === 'Ask'),
    's',
    ['answer'],
  );
  expect(caller.replyTo(serial)).toMatchObject({
    type: MessageType.MethodReturn,
    body: ['answer'],
  });
}

describe(`${CALLS} calls between two clients of a session bus`, () => {
  test('by a well-known name', async () => {
    const bus = await WatchedBus.start();
    const [caller, service, observer] = [1, 2, 3].map(() => RawClient.open(bus.address));
    const name = 'org.example.Counted';
    service.callBus('RequestName', 'su', [name, 0]);

    /* what asking for the figures costs by itself: the driver is called, and answers */
    const first = busFigures(observer);
    const before = busFigures(observer);
    const asking = growth(first, before);
    expect(asking).toEqual({
      'Core.Transactions': 2,
      'Core.Messages': 2,
      'Core.NodeReleases': 0,
      'Core.HandleReleases': 0,
      'Core.OneShotsMade': 1,
      'Core.OneShotsConsumed': 1,
      'Core.Peers': 0,
      'Core.Nodes': 0,
      'Core.Handles': 0,
      'Core.Charged': 0,
      'Policy.FacetChecks': 0,
      'Policy.FacetsCompiled': 0,
      RegistryLookups: 0,
    });

    for (let i = 0; i < CALLS; i++) callOnce(caller, service, name);
    const calls = growth(before, busFigures(observer));
    for (const [key, cost] of Object.entries(asking)) calls[key] -= cost;
    expect(calls).toEqual({
      /* a call and its return each, and the question to the registry with its answer */
      'Core.Transactions': 2 * CALLS + 2,
      'Core.Messages': 2 * CALLS + 2,
      'Core.NodeReleases': 0,
      'Core.HandleReleases': 0,
      /* a reply node for each call, and one for the answer of the registry */
      'Core.OneShotsMade': CALLS + 1,
      'Core.OneShotsConsumed': CALLS + 1,
      'Core.Peers': 0,
      'Core.Nodes': 0,
      /* the caller's to the name, which it is charged for */
      'Core.Handles': 1,
      'Core.Charged': 1,
      'Policy.FacetChecks': 0,
      /* for calls and for replies */
      'Policy.FacetsCompiled': 2,
      RegistryLookups: 1,
    });

    /* from now on it is only the calls */
    const known = busFigures(observer);
    callOnce(caller, service, name);
    const one = growth(known, busFigures(observer));
    expect(one).toEqual({
      ...asking,
      'Core.Transactions': 2 + 2,
      'Core.Messages': 2 + 2,
      'Core.OneShotsMade': 1 + 1,
      'Core.OneShotsConsumed': 1 + 1,
    });
    for (const client of [caller, service, observer]) client.close();
    await bus.stop();
  });

  test('when both have left, nothing is left of them', async () => {
    const bus = await WatchedBus.start();
    const observer = RawClient.open(bus.address);
    observer.callBus('AddMatch', 's', ["member='NameOwnerChanged'"]);
    const before = busFigures(observer);
    const [caller, service] = [RawClient.open(bus.address), RawClient.open(bus.address)];
    for (let i = 0; i < CALLS; i++) callOnce(caller, service, service.uniqueName);
    caller.close();
    service.close();
    for (const { uniqueName } of [caller, service]) {
      observer.receive(({ body }) => body[0] === uniqueName && body[2] === '');
    }
    expect(growth(before, busFigures(observer))).toMatchObject({
      'Core.Peers': 0,
      'Core.Nodes': 0,
      'Core.Handles': 0,
      'Core.Charged': 0,
    });
    observer.close();
    await bus.stop();
  });
});
