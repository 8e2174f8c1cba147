// The command line of `bus1-bridge attach`.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from '../support/bus-command.js';
import { run, start } from '../support/process.js';
import { describeWith } from '../support/software.js';
import { Bridge } from './bridge.js';
import { OLD_BUS_SOFTWARE, OldBus } from './old-bus.js';

const COMMAND = join(ROOT, 'dist/bridge/cli/bus1-bridge.js');

describeWith(OLD_BUS_SOFTWARE['dbus-daemon'], 'bus1-bridge attach', () => {
  let old: OldBus;
  beforeAll(async () => {
    old = await OldBus.start('dbus-daemon');
  });
  afterAll(() => old.stop());

  const attach = (...words: readonly string[]) =>
    run(process.execPath, [COMMAND, 'attach', ...words], {
      env: { ...old.env, XDG_RUNTIME_DIR: old.folder },
    });

  test('runs a program on the bridge, attached to the session bus, and ends with its status', async () => {
    const words = [
      '--session',
      '--print-reply=literal',
      '--dest=org.freedesktop.DBus',
      '/org/freedesktop/DBus',
    ];
    const result = await attach(
      '--import',
      'org.example.*',
      '--',
      'dbus-send',
      ...words,
      'org.bus1.Uplink.Status',
    );
    expect(result.stdout).toContain(
      `"address":"${old.address}","isUp":true,"imports":["org.example.*"]`,
    );
    expect(result.code).toBe(0);
  });

  test.each([
    {
      words: [],
      message: /no names would pass between the buses: give --import or --export/,
    },
    { words: ['--import', 'a b'], message: /"a b" is not a pattern of bus names/ },
    {
      words: ['--import', '*', '--mapping', '/nowhere.yaml'],
      message: /cannot read "\/nowhere\.yaml": /,
    },
    { words: ['--import', '*', '--bus', 'nonsense'], message: /nonsense/ },
    { words: ['--import', '*', '--bus', 'launchd:env=X'], message: /can connect to unix:path=/ },
    { words: ['--import', '*', '--allow-confined', 'foo'], message: /takes uid:UID.* not "foo"/ },
    { words: ['--import', '*', '--allow-confined', 'uid:me'], message: /not "uid:me"/ },
  ])('refuses $words', async ({ words, message }) => {
    const { stderr, code } = await attach(...words);
    expect(stderr).toMatch(message);
    expect(code).toBe(stderr.endsWith('--help\n') ? 2 : 1);
  });

  test('takes names from mappings, in the direction that they say', async () => {
    const file = join(old.folder, 'jukebox.yaml');
    const names = [
      '  org.example.In: main',
      '  org.example.Out: { object: main, direction: export }',
    ];
    const text = [
      'service: Jukebox',
      'bus: session',
      'names:',
      ...names,
      'objects:',
      '  main:',
      '    path: /',
      '    interfaces: [org.example.Jukebox]',
      '',
    ];
    writeFileSync(file, text.join('\n'));
    const bridge = await Bridge.attach(old, { args: ['--mapping', file] });
    await expect(bridge.status()).resolves.toMatchObject({
      imports: ['org.example.In'],
      exports: ['org.example.Out'],
    });
    await bridge.stop();
  });

  test('starts without the other bus, and finds it when it comes', async () => {
    const late = await OldBus.start('dbus-daemon');
    await late.kill();
    const bridge = await Bridge.attach(late, { imports: ['org.example.*'] });
    expect((await bridge.status()).isUp).toBe(false);
    await late.start();
    await bridge.program.waitForLine(/attached to the other bus/, 'stderr');
    expect((await bridge.status()).isUp).toBe(true);
    await bridge.stop();
    await late.stop();
  });

  test('does not attach a bridge to itself, nor two to each other', async () => {
    const first = await Bridge.attach(old, { imports: ['org.example.*'] });
    const asBus = { address: first.address, folder: old.folder } as OldBus;
    const second = await Bridge.attach(asBus, { imports: ['org.example.*'] });
    expect((await second.status()).isUp).toBe(true);
    const itself = join(old.folder, 'itself');
    const words = [
      '--bus',
      `unix:path=${old.folder}/./itself`,
      '--address',
      `unix:path=${itself}`,
      '--import',
      '*',
    ];
    const loop = start(process.execPath, [COMMAND, 'attach', ...words], { env: old.env });
    await loop.waitForLine(/it is this bridge itself/, 'stderr');
    await loop.stop();
    await second.stop();
    await first.stop();
  });
});
