// Who may join the domain of a bus, and whom its members can reach there.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RawMember } from '../fuzz/raw-member.js';
import { openFolder, ROOT } from '../support/bus-command.js';
import { cleanEnvironment } from '../support/bus.js';
import { start, type Program } from '../support/process.js';

const DENIED_UID = 60_001;
const OTHER_UID = 60_002;
const CHANNELS_PER_UID_MAX = 128;
const MEMBERS = 8;

function configuration(address: string): string {
  return `
<busconfig>
  <type>session</type>
  <listen>${address}</listen>
  <policy context="default">
    <allow user="*"/><allow send_destination="*"/><allow own="*"/>
    <deny user="${DENIED_UID}"/>
  </policy>
</busconfig>`;
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
