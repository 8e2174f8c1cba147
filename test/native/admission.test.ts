// Who may join the domain of a bus, and whom its members can reach there.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Control, encode } from '#bridge/registry/control-message.js';
import { Entry, messageTo, ROOT_ID, type RawChannel } from '../fuzz/raw-channel.js';
import { RawMember } from '../fuzz/raw-member.js';
import { openFolder, ROOT } from '../support/bus-command.js';
import { cleanEnvironment } from '../support/bus.js';
import { start, type Program } from '../support/process.js';

const DENIED_UID = 60_001;
const OTHER_UID = 60_002;
const CHANNELS_PER_UID_MAX = 128;
const MEMBERS = 8;
const INCOMPLETE_MAX = 5;
/** Where a message's number of handles stands in an entry, and where its handles begin (`IncomingMessage`). */
const HANDLES_AT = 36;
const REFERENCES_AT = 64;
const REFERENCE_BYTES = 16;

function configuration(address: string): string {
  return `
<busconfig>
  <type>session</type>
  <listen>${address}</listen>
  <policy context="default">
    <allow user="*"/><allow send_destination="*"/><allow own="*"/>
    <deny user="${DENIED_UID}"/>
  </policy>
  <limit name="max_incomplete_connections">${INCOMPLETE_MAX}</limit>
</busconfig>`;
}

/** Codes of the control messages that have come. */
function answersIn(channel: RawChannel): number[] {
  const messages = channel.read().filter(({ type }) => type === Entry.Message);
  return messages.map(({ bytes }) => {
    const handles = new DataView(bytes.buffer).getUint32(HANDLES_AT, true);
    return bytes[REFERENCES_AT + handles * REFERENCE_BYTES];
  });
}

// Only root can be somebody else for a while.
describe.runIf(process.getuid!() === 0).each([1, 2])('a bus with %i host(s)', (hosts) => {
  const folder = openFolder('admission-');
  const socketPath = join(folder, 'bus');
  const address = `unix:path=${socketPath}`;
  const members: RawMember[] = [];
  let bridge: Program;

  beforeAll(async () => {
    chmodSync(folder, 0o755);
    const config = join(folder, 'bus.conf');
    writeFileSync(config, configuration(address));
    const program = join(ROOT, 'dist/bridge/cli/bus1-bridge.js');
    const args = ['run', '--config', config, '--hosts', String(hosts), '--print-address'];
    bridge = start(process.execPath, [program, ...args], { env: cleanEnvironment(folder) });
    await bridge.waitForLine(/^unix:/);
  });
  afterAll(async () => {
    for (const member of members) member.close();
    await bridge.stop();
  });

  /** A member whose socket was connected as this user: the kernel tells the authority so. */
  function joinAs(uid: number): RawMember | undefined {
    process.seteuid!(uid);
    try {
      const member = RawMember.join(`${socketPath}.bus1`, 20_000);
      if (member !== undefined) members.push(member);
      return member;
    } finally {
      process.seteuid!(0);
    }
  }

  test('a user whom the policy lets not connect is no member of the domain', () => {
    expect(joinAs(DENIED_UID)).toBeUndefined();
    expect(joinAs(OTHER_UID)?.isOpen).toBe(true);
  });

  test('programs of a user that do not say Hello: max_incomplete_connections, and no more', async () => {
    const member = joinAs(OTHER_UID)!;
    const channel = member.introduce(member.root)!;
    const request = encode(Control.Admit, { takesDescriptors: true, credentials: undefined });
    for (let id = 1; id < 4 * INCOMPLETE_MAX; id += 2) {
      const inbox = [1, id, OTHER_UID, 0, 0x101, id + 1, OTHER_UID, 0];
      channel.write(Entry.Message, messageTo(ROOT_ID, request, inbox, OTHER_UID));
    }
    channel.commit();
    const answers: number[] = [];
    const count = 2 * INCOMPLETE_MAX;
    await expect.poll(() => answers.push(...answersIn(channel)) && answers.length).toBe(count);
    const refused = encode(Control.Refused, { reason: '' })[0];
    expect(answers.map((code) => code === refused)).toEqual(
      Array.from({ length: count }, (_, i) => i >= INCOMPLETE_MAX),
    );
  });

  test('channels to processes of another user: 128 of one uid to a process, and no more', () => {
    const target = joinAs(0)!;
    const others = Array.from({ length: CHANNELS_PER_UID_MAX + MEMBERS }, () => joinAs(OTHER_UID)!);
    for (const member of others) {
      member.say({ kind: 'introduce', peer: target.id });
      target.pump(1000);
      member.pump(1000);
    }
    const refused = others.flatMap(({ frames }) => frames.filter(({ kind }) => kind === 'refused'));
    expect(refused.map((frame) => frame['reason'])).toEqual(
      Array<string>(MEMBERS).fill(
        'a process may have at most 128 channels to processes of another user',
      ),
    );
    const own = joinAs(0)!;
    expect(
      own.introduce(target.id, 100) ?? target.pump(1000) ?? own.introduce(target.id, 5000),
    ).toBeDefined();
  });
});
