// A bus that goes away under those who are members of its domain.
import { expect, test } from 'vitest';
import { join } from '#bridge/client/index.js';
import { Bridge } from './home.js';
import { PATH, SERVICE } from './service-description.mjs';
import { ServiceProcess } from './service-process.js';

test('when the bridge is gone conversations go on, and whatever needs it says so', async () => {
  const mortal = await Bridge.start();
  const there = await ServiceProcess.start('service.mjs', 'domain', mortal.address, SERVICE);
  const here = await join({ address: mortal.address });
  const capability = await here.resolve(SERVICE);
  const echo = { path: PATH, interface: SERVICE, member: 'Echo', signature: 's', body: ['x'] };
  await capability.call(echo);
  await mortal.stop('SIGKILL');
  expect(await here.closed).toMatch(/bridge is gone/);
  expect((await capability.call(echo)).body).toEqual(['x']);
  expect((await here.call({ destination: SERVICE, ...echo })).body).toEqual(['x']);
  const disconnected = { code: 'Disconnected' };
  await expect(here.requestName('org.example.Late')).rejects.toMatchObject(disconnected);
  await expect(here.resolve('org.example.Late')).rejects.toMatchObject(disconnected);
  expect(() => here.emit({ path: '/', interface: 'a.b', member: 'C' })).toThrow(
    expect.objectContaining(disconnected),
  );
  here.close();
  await there.end();
});
