// dconf-service: programs read settings from a file, and write them through the writer.
import { rmSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { DBusError, type Capability } from '#bridge/client/index.js';
import { openFolder } from '../../support/bus-command.js';
import { cleanEnvironment, output } from '../../support/bus.js';
import { describeWith, needs } from '../../support/software.js';
import { call, listenTo } from '../bridge.js';
import { peersForAllTests } from './peers.js';

const NAME = 'ca.desrt.dconf';
const WRITER = `${NAME}.Writer`;
const SERVICE = '/usr/libexec/dconf-service';
const SOFTWARE = [needs(SERVICE, 'dconf-service'), needs('dconf', 'dconf-cli')];

/**
 * One change as dconf wants it: an `a{smv}` with a number for a key, serialised as "GVariant Specification" 1.0 says.
 * What has no fixed size is followed by where it ends, here always one byte.
 */
function changeOf(key: string, value: number): Uint8Array {
  const name = new TextEncoder().encode(`${key}\0`);
  const number = new Uint8Array(new Uint32Array([value]).buffer);
  const padding = new Uint8Array(-name.length & 7);
  const variant = [...number, 0, 'u'.charCodeAt(0)];
  const present = 0;
  const entry = [...name, ...padding, ...variant, present, name.length];
  return Uint8Array.from([...entry, entry.length]);
}

describeWith(SOFTWARE, 'settings', () => {
  const folder = openFolder('dconf-');
  const config = { XDG_CONFIG_HOME: `${folder}/config` };
  let writer: Capability;

  const peers = peersForAllTests(async ({ bridge, native }) => {
    await bridge.service([SERVICE], NAME, config);
    writer = await native.resolve(NAME);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** A program that knows nothing but paths. */
  const dconf = async (...words: string[]): Promise<string> => {
    const bus = { DBUS_SESSION_BUS_ADDRESS: peers.bridge.address };
    const text = await output('dconf', words, {
      env: { ...cleanEnvironment(folder), ...bus, ...config },
    });
    return text.trim();
  };

  test('what is written through the handle is read by everybody', async () => {
    const tag = await call(writer, `${WRITER}.Change`, 'ay', changeOf('/test/number', 7));
    expect(tag).toMatch(/^:/);
    expect(await dconf('read', '/test/number')).toBe('uint32 7');
  });

  test('who has the handle hears what others write', async () => {
    const signals = await listenTo(peers.native, writer);
    await dconf('write', '/test/text', "'hello'");
    const { body } = await signals.next('Notify');
    expect(body.slice(0, 2)).toEqual(['/test/text', ['']]);
  });

  test('what is not for the user is another object, and not given', async () => {
    const other = { path: '/ca/desrt/dconf/Writer/other', interface: WRITER, member: 'Init' };
    await expect(writer.call(other)).rejects.toThrow(DBusError);
    await expect(writer.call(other)).rejects.toThrow(/does not lead to/);
    await call(writer, `${WRITER}.Init`);
  });
});
