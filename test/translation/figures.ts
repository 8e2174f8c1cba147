import type dbus from 'dbus-next';
import type { BusStatus } from '#bridge/driver/status-json.js';
import { legacyCall } from './bridge.js';

const BUS = { destination: 'org.freedesktop.DBus', path: '/org/freedesktop/DBus' };
const COUNTED = /Core\.(?:Peers|Nodes|Handles|Charged)$|MatchRules|BusNames/;

/** What there is on the bus, once those have left it whose names are gone: their channels end a moment later. */
export async function figuresAtRest(bus: dbus.MessageBus): Promise<Record<string, unknown>> {
  while (!(await isAtRest(bus)));
  const asks = { ...BUS, interface: 'org.freedesktop.DBus.Debug.Stats', member: 'GetStats' };
  const [stats] = await legacyCall(bus, asks);
  const all = Object.entries(stats as Record<string, { value: unknown }>);
  const counted = all.filter(([key]) => COUNTED.test(key));
  return Object.fromEntries(counted.map(([key, { value }]) => [key, value]));
}

async function isAtRest(bus: dbus.MessageBus): Promise<boolean> {
  const asks = { ...BUS, interface: 'org.bus1.Status', member: 'GetStatus' };
  const [json] = await legacyCall(bus, asks);
  const { authority, natives } = JSON.parse(json as string) as BusStatus;
  return authority.channels === natives.length;
}
