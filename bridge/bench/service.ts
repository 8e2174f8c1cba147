import { writeSync } from 'node:fs';
import { prctl, PrctlOption } from '#core/linux/index.js';
import { entryAt } from './keys.js';
import type { ServiceKind } from './programs.js';

// The echo service: see programs.ts. Each kind loads only what its own ends need.

const SIGKILL = 9;

/** Serves; calls `ready` once it can be called. Kinds that block do not return. */
type Serve = (path: string, ready: () => void) => Promise<void>;

const SERVICES: Record<ServiceKind, Serve> = {
  bus: async (path, ready) => (await import('./ends/wire.js')).serveBus(path, 1, ready),
  subscribers: async (path, ready) => {
    const { serveBus } = await import('./ends/wire.js');
    const { SUBSCRIBERS_MAX } = await import('./names.js');
    serveBus(path, SUBSCRIBERS_MAX, ready);
  },
  raw: async (path, ready) => (await import('./ends/wire.js')).serveRaw(path, ready),
  socket: async (path, ready) => (await import('./ends/socket.js')).serveSocket(path, ready),
  native: async (path, ready) => (await import('./ends/native.js')).serveBlocking(path, ready),
  'native-loop': async (path, ready) => (await import('./ends/native.js')).serveInLoop(path, ready),
  'dbus-next': async (path, ready) =>
    (await import('./ends/dbus-next.js')).serveDbusNext('dbus-next', path, ready),
  'dbus-next-native': async (path, ready) =>
    (await import('./ends/dbus-next.js')).serveDbusNext('dbus-next-native', path, ready),
};

prctl(PrctlOption.SetParentDeathSignal, SIGKILL);
const [kind, path = ''] = process.argv.slice(2);
// Written at once: from here on this process may block in a system call.
await entryAt(SERVICES, kind)(path, () => writeSync(1, 'ready\n'));
