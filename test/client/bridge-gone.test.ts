// A bus that goes away under those who are members of its domain, and under those who are on a socket.
import { expect, test } from 'vitest';
import { join, type ClientError } from '#bridge/client/index.js';
import { PLACES } from './home.js';
import { PATH, SERVICE } from './service-description.mjs';
import { ServiceProcess } from './service-process.js';

const echo = { path: PATH, interface: SERVICE, member: 'Echo', signature: 's', body: ['x'] };

const outcome = async (act: () => unknown): Promise<unknown> => {
  try {
    return await act();
  } catch (error) {
    return (error as ClientError).code;
  }
};

/** How it ends, and what is left: a domain needs no bus for what has begun. */
const LEFT = {
  domain: { reason: /bridge has ended/, conversation: ['x'], rest: 'Disconnected' },
  socket: { reason: /the bus has hung up|reset/, conversation: 'BusClosed', rest: 'BusClosed' },
};

test.each(PLACES.map((place) => [place.title, place] as const))('%s', async (_title, place) => {
  const { transport, open } = place;
  const bus = await open();
  const there = await ServiceProcess.start('service.mjs', transport, bus.address, SERVICE);
  const here = await join({ address: bus.address, transport });
  const capability = await here.resolve(SERVICE);
  await capability.call(echo);
  await bus.stop('SIGKILL');
  const { reason, conversation, rest } = LEFT[transport];
  expect(await here.closed).toMatch(reason);
  expect(await outcome(async () => (await capability.call(echo)).body)).toEqual(conversation);
  const byName = { destination: SERVICE, ...echo };
  expect(await outcome(async () => (await here.call(byName)).body)).toEqual(conversation);
  expect(await outcome(() => here.requestName('org.example.Late'))).toBe(rest);
  expect(await outcome(() => here.resolve('org.example.Late'))).toBe(rest);
  expect(await outcome(() => here.emit({ path: '/', interface: 'a.b', member: 'C' }))).toBe(rest);
  here.close();
  await there.end();
});
