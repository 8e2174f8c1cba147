// What an entry asks for is often done when its transaction is over. A fault that is come upon then costs whoever had
// asked, a client or a process of the domain, and nobody else.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openFolder, ROOT } from '../support/bus-command.js';
import { cleanEnvironment } from '../support/bus.js';
import { output, start, type Program } from '../support/process.js';
import { RawClient } from '../support/raw-client.js';

const DRIVER = 'org.freedesktop.DBus';

describe.each([1, 2])('a bus with %i host(s), and a fault', (hosts) => {
  const folder = openFolder('faulty-');
  const address = `unix:path=${join(folder, 'bus')}`;
  const env = cleanEnvironment(folder);
  let bridge: Program;
  let bystander: RawClient;

  beforeAll(async () => {
    const faulty = ['--import', join(ROOT, 'test/regress/faulty-driver.mjs')];
    const program = join(ROOT, 'build/bridge/cli/bus1-bridge.js');
    const args = ['run', '--address', address, '--hosts', String(hosts), '--print-address'];
    bridge = start(process.execPath, [...faulty, program, ...args], { env });
    await bridge.waitForLine(/^unix:/);
    bystander = RawClient.open(address);
  });
  afterAll(async () => {
    bystander.close();
    await bridge.stop();
  });

  test('a D-Bus client that comes upon it loses its connection', () => {
    const client = RawClient.open(address);
    const fields = { destination: DRIVER, path: '/org/freedesktop/DBus', interface: DRIVER };
    client.startCall({ ...fields, member: 'GetNameOwner', signature: 's' }, ['org.bus1.Fault']);
    client.readUntilEnd();
    client.close();
    expect(bystander.callBus('GetId')).toHaveLength(1);
  });

  test('a native peer that does loses its channel, and is named', async () => {
    const script = `
      const { join } = await import(${JSON.stringify(join(ROOT, 'dist/bridge/client/index.js'))});
      const bus = await join({ address: ${JSON.stringify(address)} });
      const call = { destination: '${DRIVER}', path: '/', interface: '${DRIVER}', member: 'GetNameOwner' };
      const failure = await bus.call({ ...call, signature: 's', body: ['org.bus1.Fault'] }).catch((error) => error);
      process.stdout.write(process.pid + ' ' + failure.name);
      process.exit();`;
    const text = await output(process.execPath, ['--input-type=module', '-e', script], { env });
    const [pid, failure] = text.split(' ');
    expect(failure).toMatch(/Error/);
    const named = new RegExp(`channel to process.*pid ${pid}, uid.*a fault of ours`);
    await bridge.waitForLine(named, 'stderr');
    expect(bystander.callBus('GetId')).toHaveLength(1);
  });
});
