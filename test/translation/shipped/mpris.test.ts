// cmus, a player for terminals, and playerctld, which stands for whichever player was used last.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type Capability, Variant } from '#bridge/client/index.js';
import { openFolder } from '../../support/bus-command.js';
import { output } from '../../support/process.js';
import { describeWith, needs } from '../../support/software.js';
import { call, gone, legacyCall, listenTo, property } from '../bridge.js';
import { peersForAllTests } from './peers.js';

const MPRIS = 'org.mpris.MediaPlayer2';
const PLAYER = `${MPRIS}.Player`;
const PATH = '/org/mpris/MediaPlayer2';
const PROPERTIES = 'org.freedesktop.DBus.Properties';
const SOFTWARE = [
  needs('cmus', 'cmus'),
  needs('script', 'bsdutils'),
  needs('playerctld', 'playerctl'),
];

/** A WAV file: a minute of silence, one channel of 8000 samples of 8 bits a second. */
function silence(): Uint8Array {
  const rate = 8000;
  const sampleCount = 60 * rate;
  const file = Buffer.alloc(44 + sampleCount, 0x80);
  file.write('RIFF', 0, 'latin1');
  file.writeUInt32LE(36 + sampleCount, 4);
  file.write('WAVEfmt ', 8, 'latin1');
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(rate, 24);
  file.writeUInt32LE(rate, 28);
  file.writeUInt16LE(1, 32);
  file.writeUInt16LE(8, 34);
  file.write('data', 36, 'latin1');
  file.writeUInt32LE(sampleCount, 40);
  return file;
}

describeWith(SOFTWARE, 'players', () => {
  const folder = openFolder('player-');
  const [socket, track] = ['socket', 'track.wav'].map((name) => join(folder, name));
  writeFileSync(track, silence());
  let cmus: Capability;
  let latest: Capability;

  /** What a user does at the terminal. */
  const type = (...commands: string[]) =>
    output('cmus-remote', ['--server', socket, '-C', ...commands]);

  const peers = peersForAllTests(async ({ bridge, native }) => {
    const terminal = ['script', '--quiet', '--command', `cmus --listen ${socket}`, '/dev/null'];
    await bridge.service(terminal, `${MPRIS}.cmus`, { TERM: 'xterm' });
    await bridge.service(['playerctld'], `${MPRIS}.playerctld`);
    await type('set output_plugin=ao', 'set dsp.ao.driver=null', 'set repeat_current=true');
    cmus = await native.resolve(`${MPRIS}.cmus`);
    latest = await native.resolve(`${MPRIS}.playerctld`);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('each name is a handle to a player', async () => {
    expect(await property(cmus, MPRIS, 'Identity')).toBe('cmus');
    expect(await property(latest, MPRIS, 'Identity')).toBe('cmus');
    const names = await property(latest, 'com.github.altdesktop.playerctld', 'PlayerNames');
    expect(names).toEqual([`${MPRIS}.cmus`]);
  });

  test('what is played, and where: tracks have paths, which stay text', async () => {
    const signals = await listenTo(peers.native, cmus);
    await type(`player-play ${track}`);
    let status: unknown;
    while (status !== 'Playing') {
      const [, changed] = (await signals.next('PropertiesChanged')).body;
      status = (changed as Map<string, Variant>).get('PlaybackStatus')?.value;
    }
    const metadata = (await property(cmus, PLAYER, 'Metadata')) as Map<string, Variant>;
    const id = metadata.get('mpris:trackid')!;
    expect(id).toEqual(new Variant('o', expect.stringMatching(/^\//)));
    await call(latest, `${PLAYER}.Pause`);
    while ((await property(cmus, PLAYER, 'PlaybackStatus')) !== 'Paused') {
      await signals.next('PropertiesChanged');
    }
    await call(cmus, `${PLAYER}.SetPosition`, 'ox', id.value, 30_000_000n);
    await signals.next('Seeked');
    // The player says so before it knows where it is.
    let position: unknown;
    while (position !== 30_000_000n) position = await property(cmus, PLAYER, 'Position');
  });

  test('a program that uses strings sees what was set through a handle', async () => {
    const all = new Variant('s', 'Playlist');
    await call(cmus, `${PROPERTIES}.Set`, 'ssv', PLAYER, 'LoopStatus', all);
    const get = { path: PATH, interface: PROPERTIES, member: 'Get', signature: 'ss' };
    const call2 = { ...get, destination: `${MPRIS}.cmus`, body: [PLAYER, 'LoopStatus'] };
    expect(await legacyCall(peers.legacy, call2)).toMatchObject([{ value: 'Playlist' }]);
  });

  test('the end of a player is the end of the handle to it, and of no other', async () => {
    const signals = await listenTo(peers.native, latest);
    const released = gone(cmus);
    await type('quit');
    await released;
    await signals.next('ActivePlayerChangeEnd');
    expect(latest.live).toBe(true);
  });
});
