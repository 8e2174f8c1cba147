// Two hundred clients come, talk to each other, and leave; the bus is then as it was.
import dbus from 'dbus-next';
import { expect, test } from 'vitest';
import { startBus } from '../support/bus.js';
import { callBus, connect, listNames, watchNames } from '../support/names.js';

const CLIENTS = 200;
const INTERFACE = 'org.example.Crowd';
const PRIMARY_OWNER = 1;

const nameOf = (index: number): string => `${INTERFACE}.Client${index}`;

class Client {
  readonly #index: number;
  readonly #bus: dbus.MessageBus;
  readonly #toldToLeave: Promise<unknown>;

  constructor(index: number, bus: dbus.MessageBus) {
    this.#index = index;
    this.#bus = bus;
    this.#toldToLeave = new Promise((resolve) => {
      bus.on('message', (message) => {
        if (message.member === 'Leave') resolve(message.body[0]);
      });
    });
    bus.addMethodHandler((message: dbus.Message) => {
      if (message.member !== 'Greet') return false;
      const greeting = `${message.body[0]}, ${index}`;
      bus.send(dbus.Message.newMethodReturn(message, 's', [greeting]));
      return true;
    });
  }

  get uniqueName(): string {
    return Object(this.#bus).name;
  }

  /** Returns RequestName's answer. */
  async arrive(): Promise<number> {
    await callBus(this.#bus, 'AddMatch', 's', [`type='signal',interface='${INTERFACE}'`]);
    return this.#bus.requestName(nameOf(this.#index), 0);
  }

  async greetNext(): Promise<unknown> {
    const reply = await this.#bus.call(
      new dbus.Message({
        destination: nameOf((this.#index + 1) % CLIENTS),
        path: '/',
        interface: INTERFACE,
        member: 'Greet',
        signature: 's',
        body: [`hello from ${this.#index}`],
      }),
    );
    return reply!.body[0];
  }

  async leaveWhenTold(): Promise<unknown> {
    const word = await this.#toldToLeave;
    this.#bus.disconnect();
    return word;
  }
}

test(`${CLIENTS} clients at once leave nothing behind`, async () => {
  const bus = await startBus();
  const conductor = await connect(bus.address);
  const watch = await watchNames(conductor);
  const before = await listNames(conductor);

  const indexes = Array.from({ length: CLIENTS }, (_, index) => index);
  const clients = await Promise.all(
    indexes.map(async (index) => new Client(index, await connect(bus.address))),
  );
  const uniqueNames = clients.map((client) => client.uniqueName);
  expect(new Set(uniqueNames).size).toBe(CLIENTS);

  const answers = await Promise.all(clients.map((client) => client.arrive()));
  expect(new Set(answers)).toEqual(new Set([PRIMARY_OWNER]));
  const greetings = await Promise.all(clients.map((client) => client.greetNext()));
  expect(greetings).toEqual(
    indexes.map((index) => `hello from ${index}, ${(index + 1) % CLIENTS}`),
  );

  const leaving = Promise.all(clients.map((client) => client.leaveWhenTold()));
  conductor.send(dbus.Message.newSignal('/', INTERFACE, 'Leave', 's', ['good night']));
  expect(new Set(await leaving)).toEqual(new Set(['good night']));

  await Promise.all([...uniqueNames, ...indexes.map(nameOf)].map((name) => watch.gone(name)));
  await expect(listNames(conductor)).resolves.toEqual(before);
  conductor.disconnect();
  await bus.stop();
});
