// One end of a conversation, in a process of its own: `peer.mjs legacy|native serve|call ADDRESS NAME`.
// A caller is told by its parent how many calls to make, and answers how that went.
import { join, implement } from 'bus1-bridge';
import { LegacyCaller, serveLegacy } from './legacy.mjs';

const [kind, role, address, name] = process.argv.slice(2);
const PATH = '/org/bus1/test';
const INTERFACE = 'org.bus1.Test';
const OUTSTANDING = 16;

/** A call is lost when it ends with anything but the number that it sent. */
class NativeCaller {
  constructor(bus) {
    this.bus = bus;
    this.isOpen = true;
    void bus.closed.then((reason) => process.send({ closed: reason }));
  }

  get uniqueName() {
    return this.bus.uniqueName;
  }

  async call(count) {
    let lost = 0;
    let error = '';
    let sent = 0;
    const lane = async () => {
      while (sent < count) {
        const number = sent++;
        try {
          const { body } = await this.bus.call(this.echo(number));
          if (body[0] !== number) lost++;
        } catch (failure) {
          lost++;
          error = `${failure.name}: ${failure.message}`;
        }
      }
    };
    const beginMs = performance.now();
    await Promise.all(Array.from({ length: OUTSTANDING }, lane));
    return { made: count, lost, error, ns: (performance.now() - beginMs) * 1e6 };
  }

  echo(number) {
    return {
      destination: name,
      path: PATH,
      interface: INTERFACE,
      member: 'Echo',
      signature: 'u',
      body: [number],
    };
  }

  async resolve(other) {
    try {
      await this.bus.resolve(other);
      return '';
    } catch (failure) {
      return `${failure.name}: ${failure.message}`;
    }
  }
}

async function serveNative() {
  const bus = await join({ address });
  const description = {
    name: INTERFACE,
    methods: { Echo: { in: 'u', out: 'u' } },
    signals: {},
    properties: {},
  };
  bus.serve(PATH, implement(description, { methods: { Echo: (number) => number } }));
  await bus.requestName(name);
  process.send({ ready: bus.uniqueName });
}

process.on('disconnect', () => process.exit(0));
if (role === 'serve') {
  if (kind === 'native') await serveNative();
  else serveLegacy(address, name, (uniqueName) => process.send({ ready: uniqueName }));
} else {
  const caller =
    kind === 'native' ? new NativeCaller(await join({ address })) : new LegacyCaller(address, name);
  process.on('message', async ({ calls, resolve }) => {
    if (calls !== undefined) process.send({ result: await caller.call(calls) });
    else process.send({ resolved: await caller.resolve(resolve) });
  });
  process.send({ ready: caller.uniqueName });
}
