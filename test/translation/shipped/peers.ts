// Who is on the bus in the tests of the mappings that come with the bridge.
import type dbus from 'dbus-next';
import { afterAll, beforeAll } from 'vitest';
import type { Bus } from '#bridge/client/index.js';
import { connect } from '../../support/names.js';
import { Bridge } from '../bridge.js';

export interface Peers {
  /** with the mappings that come with it */
  bridge: Bridge;
  /** works with handles */
  native: Bus;
  /** works with strings */
  legacy: dbus.MessageBus;
}

/**
 * The peers of all tests of a group.
 * @param set starts the service
 * @param words more words of `bus1-bridge run`
 */
export function peersForAllTests(
  set: (peers: Peers) => Promise<void>,
  words: readonly string[] = [],
): Peers {
  const peers = {} as Peers;
  beforeAll(async () => {
    peers.bridge = await Bridge.start('--mappings', ...words);
    peers.native = await peers.bridge.native();
    peers.legacy = await connect(peers.bridge.address);
    await set(peers);
  });
  afterAll(async () => {
    peers.native.close();
    peers.legacy.disconnect();
    await peers.bridge.stop();
  });
  return peers;
}
