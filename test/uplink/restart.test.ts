// The old bus is killed under load, and comes back.
import { readdirSync } from 'node:fs';
import dbus from 'dbus-next';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWith, needs, output, start } from '../support/bus.js';
import { connect } from '../support/names.js';
import type { Environment, Program } from '../support/process.js';
import { Bridge } from './bridge.js';
import { OLD_BUSES, OLD_BUS_SOFTWARE, OldBus } from './old-bus.js';

const OLD_NAME = 'org.example.Old';
const NEW_NAME = 'org.example.New';
const CLIENTS = 20;
const RECOVERY_MS = 2000;

const ERRORS = [
  'org.freedesktop.DBus.Error.NoReply',
  'org.freedesktop.DBus.Error.ServiceUnknown',
  'org.freedesktop.DBus.Error.NameHasNoOwner',
];

/** A client that calls an echo service, again and again. */
class Caller {
  readonly failures: { type: string; text: string }[] = [];
  answers = 0;
  readonly ended: Promise<void>;
  readonly #bus: dbus.MessageBus;
  #isOver = false;

  constructor(bus: dbus.MessageBus) {
    this.#bus = bus;
    this.ended = this.#run();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.ended;
    this.#bus.disconnect();
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      try {
        await call(this.#bus, OLD_NAME);
        this.answers++;
      } catch (error) {
        if (!(error instanceof dbus.DBusError)) throw error;
        this.failures.push({ type: error.type, text: error.text });
        // A service that is known to be away is not asked without a pause.
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    }
  }
}

function call(bus: dbus.MessageBus, destination: string): Promise<dbus.Message | null> {
  return bus.call(
    new dbus.Message({ destination, path: '/', interface: 'org.example.Echo', member: 'Echo' }),
  );
}

/** dbus-test-tool, which answers every call, once it owns `name`. */
async function startEcho(name: string, env: Environment): Promise<Program> {
  const program = start('dbus-test-tool', ['echo', '--session', `--name=${name}`], { env });
  for (;;) {
    const words = ['--session', '--print-reply=literal', '--dest=org.freedesktop.DBus', '/'];
    const method = 'org.freedesktop.DBus.NameHasOwner';
    const answer = await output('dbus-send', [...words, method, `string:${name}`], { env });
    if (answer.includes('true')) return program;
  }
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setTimeout(resolve, 5));
}

const descriptorsOf = ({ program }: Bridge): number =>
  readdirSync(`/proc/${program.pid}/fd`).length;

describe.each(OLD_BUSES)('%s', (kind) => {
  const software = [
    ...OLD_BUS_SOFTWARE[kind],
    needs('dbus-test-tool', 'dbus-bin'),
    needs('gdbus', 'libglib2.0-bin'),
  ];
  describeWith(software, 'killed and started again', () => {
    let old: OldBus;
    let bridge: Bridge;
    let newService: Program;
    beforeAll(async () => {
      old = await OldBus.start(kind);
      bridge = await Bridge.attach(old, { imports: [OLD_NAME], exports: [NEW_NAME] });
      newService = await startEcho(NEW_NAME, bridge.env);
    });
    afterAll(async () => {
      await newService.stop();
      await bridge.stop();
      await old.stop();
    });

    test('under load: clear errors, no hang, and soon all is as before', async () => {
      const watcher = await connect(bridge.address);
      const heard: string[] = [];
      watcher.on('message', (message) => heard.push(message.member));
      const rule = `type='signal',interface='org.example.Signals'`;
      await watcher.call(
        new dbus.Message({
          destination: 'org.freedesktop.DBus',
          path: '/',
          interface: 'org.freedesktop.DBus',
          member: 'AddMatch',
          signature: 's',
          body: [rule],
        }),
      );
      const before = descriptorsOf(bridge);

      for (let round = 0; round < 3; round++) {
        const echo = await startEcho(OLD_NAME, old.env);
        const buses = await Promise.all(
          Array.from({ length: CLIENTS }, () => connect(bridge.address)),
        );
        const callers = buses.map((bus) => new Caller(bus));
        await until(() => callers.every(({ answers }) => answers > 10));

        await old.kill();
        await echo.ended;
        await until(() => callers.every(({ failures }) => failures.length > 0));
        for (const { type, text } of callers.flatMap(({ failures }) => failures)) {
          expect(ERRORS).toContain(type);
          expect(text).toMatch(/cannot be reached|disconnected|not provided/);
        }

        await old.start();
        const returned = performance.now();
        const again = await startEcho(OLD_NAME, old.env);
        const counts = callers.map(({ answers }) => answers);
        await until(() => callers.every(({ answers }, i) => answers > counts[i]));
        const client = await connect(old.address);
        await until(async () => (await call(client, NEW_NAME).catch(() => null)) !== null);
        client.disconnect();
        expect(performance.now() - returned).toBeLessThan(RECOVERY_MS);

        await Promise.all(callers.map((caller) => caller.stop()));
        again.kill('SIGTERM');
        await again.ended;
      }

      const emitter = await connect(old.address);
      await emitter.requestName(OLD_NAME, 0);
      emitter.send(dbus.Message.newSignal('/', 'org.example.Signals', 'StillHeard'));
      await until(() => heard.includes('StillHeard'));
      emitter.disconnect();

      await until(() => descriptorsOf(bridge) <= before);
      await until(async () => (await bridge.status()).ghosts === 0);
      watcher.disconnect();
    });
  });
});
