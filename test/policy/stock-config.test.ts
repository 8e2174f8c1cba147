import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  ClientPolicies,
  DRIVER_PARTY,
  Flow,
  compileFacet,
  explainMessage,
  nodePolicyIo,
  readConfig,
} from '#policy/index.js';
import type { BusConfig, Party } from '#policy/index.js';

function lookupIn(file: string): (name: string) => number | undefined {
  const lines = readFileSync(file, 'utf8').split('\n');
  const ids = new Map(lines.map((line) => [line.split(':')[0], Number(line.split(':')[2])]));
  return (name) => ids.get(name);
}

const io = nodePolicyIo({
  lookupUser: lookupIn('/etc/passwd'),
  lookupGroup: lookupIn('/etc/group'),
});

function stock(name: string): BusConfig {
  const result = readConfig(`/usr/share/dbus-1/${name}.conf`, io);
  if (!result.ok) throw new Error(result.error.message);
  // Users of packages that are not installed are worth a warning; an error would be ours.
  expect(result.diagnostics.filter(({ severity }) => severity === 'error')).toEqual([]);
  return result.config;
}

function party(config: BusConfig, uid: number, ...names: string[]): Party {
  const policy = new ClientPolicies(config.policy).for({ uid, gids: [uid], atConsole: false });
  return { policy, names: new Set(names) };
}

describe('the configuration that dbus-daemon is shipped with', () => {
  it('session.conf leaves nothing to check', () => {
    const config = stock('session');
    expect(config.busType).toBe('session');
    const one = party(config, 1000, ':1.1');
    const two = party(config, 1000, ':1.2', 'org.example.Service');
    const facets = Object.values(Flow).flatMap((flow) => [
      compileFacet(one, two, flow),
      compileFacet(one, DRIVER_PARTY, flow),
      compileFacet(DRIVER_PARTY, one, flow),
    ]);
    expect(facets.every((facet) => facet === null)).toBe(true);
  });

  it('system.conf and system.d: names, calls and the driver are restricted, replies are free', () => {
    const config = stock('system');
    const root = party(config, 0, ':1.1', 'org.freedesktop.login1');
    const user = party(config, 1000, ':1.2');
    expect(root.policy!.canOwn('org.freedesktop.login1').allowed).toBe(true);
    expect(user.policy!.canOwn('org.freedesktop.login1').allowed).toBe(false);
    expect(compileFacet(root, user, Flow.RequestedReply)).toBeNull();
    expect(compileFacet(user, user, Flow.Broadcast)).toBeNull();
    const call = { type: 1, path: '/org/freedesktop/login1' };
    const manager = { ...call, interface: 'org.freedesktop.login1.Manager' };
    const judge = (from: Party, to: Party, facts: typeof manager & { member: string }): boolean =>
      explainMessage(from, to, Flow.Directed, facts).allowed;
    expect(judge(user, root, { ...manager, member: 'ListSessions' })).toBe(true);
    expect(judge(user, root, { ...manager, member: 'NoSuchThing' })).toBe(false);
    expect(judge(root, user, { ...manager, member: 'ListSessions' })).toBe(false);
    const stats = { ...call, interface: 'org.freedesktop.DBus.Debug.Stats', member: 'GetStats' };
    expect(judge(user, DRIVER_PARTY, stats)).toBe(false);
    expect(judge(root, DRIVER_PARTY, stats)).toBe(true);
  });
});
