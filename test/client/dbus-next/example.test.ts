// The example does what it did before it was migrated: with the line that was changed, and with the one before.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../support/bus-command.js';
import { run, start, type Program } from '../../support/process.js';
import { PLACES, type Bridge } from '../home.js';

const MIGRATED = readFileSync(join(ROOT, 'examples/dbus-next-migrated.mjs'), 'utf8');
const ORIGINAL = MIGRATED.replace(/^\/\/ (import .*)\nimport .*$/m, '$1');

test('one line differs', () => {
  const lines = ORIGINAL.split('\n');
  const changed = MIGRATED.split('\n').filter((line) => !lines.includes(line));
  expect(lines).toContain("import dbus from 'dbus-next';");
  expect(changed.filter((line) => !line.startsWith('//'))).toEqual([
    "import dbus from 'bus1-bridge/dbus-next';",
  ]);
});

/* the program finds out by itself whether there is a domain */
const BUSES = PLACES.filter(({ transport, isOurs }) => transport === 'domain' || !isOurs);

describe.each(BUSES.map((place) => [place.title, place] as const))('%s', (_title, place) => {
  let bus: Pick<Bridge, 'address' | 'stop'>;
  beforeAll(async () => {
    bus = await place.open();
  });
  afterAll(() => bus.stop());

  const options = () => ({
    cwd: ROOT,
    env: { ...process.env, DBUS_SESSION_BUS_ADDRESS: bus.address },
  });

  async function serve(source: string): Promise<Program> {
    const service = start(process.execPath, ['--input-type=module', '-', 'serve'], options());
    service.end(source);
    await service.waitForLine(/^serving /);
    return service;
  }

  test.each([
    ['migrated service, migrated client', MIGRATED, MIGRATED],
    ['migrated service, original client', MIGRATED, ORIGINAL],
    ['original service, migrated client', ORIGINAL, MIGRATED],
    ['original service, original client', ORIGINAL, ORIGINAL],
  ])('%s', async (_title, serviceSource, clientSource) => {
    const service = await serve(serviceSource);
    const args = ['--input-type=module', '-'];
    const client = await run(process.execPath, args, { ...options(), input: clientSource });
    await service.stop();
    expect(client).toMatchObject({ code: 0, stderr: '' });
    expect(client.stdout.split('\n')).toEqual([
      'added: buy milk',
      'count: 1',
      'there are 1 notes',
      'org.example.Error.Empty: a note needs a text',
      'all notes: buy milk',
      '',
    ]);
  });
});
