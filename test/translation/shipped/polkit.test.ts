// polkitd, and an authentication agent that is a native peer.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  type Capability,
  type InterfaceDescription,
  Variant,
  implement,
} from '#bridge/client/index.js';
import { openFolder } from '../../support/bus-command.js';
import { sessionConfig } from '../../support/bus.js';
import { type Program, start } from '../../support/process.js';
import { describeWith, needs } from '../../support/software.js';
import { call, gone, legacyCall, listenTo } from '../bridge.js';
import { peersForAllTests } from './peers.js';

const NAME = 'org.freedesktop.PolicyKit1';
const AUTHORITY = `${NAME}.Authority`;
const PATH = '/org/freedesktop/PolicyKit1/Authority';
const DAEMON = '/usr/lib/polkit-1/polkitd';
const NOBODY_UID = 65534;
const ACTION = 'org.freedesktop.policykit.exec';
const CHECK = '(sa{sv})sa{ss}us';
const ALLOW_USER_INTERACTION = 1;
const SOFTWARE = [needs(DAEMON, 'polkitd'), needs('setpriv', 'util-linux')];
/** polkitd becomes a user of its own. */
const IS_ROOT = process.getuid!() === 0;

/** What polkit calls when somebody is to be asked for a password. */
const AGENT: InterfaceDescription = {
  name: `${NAME}.AuthenticationAgent`,
  methods: {
    BeginAuthentication: { in: 'sssa{ss}sa(sa{sv})', out: '' },
    CancelAuthentication: { in: 's', out: '' },
  },
  properties: {},
  signals: {},
};

describeWith(SOFTWARE, 'polkit', () => {
  describe.runIf(IS_ROOT)('as root', () => {
    testPolkit();
  });
});

function testPolkit(): void {
  const folder = openFolder('polkit-');
  const everybody = '<policy context="default"><allow user="*"/></policy>';
  const config = join(folder, 'bus.conf');
  writeFileSync(config, sessionConfig('unix:tmpdir=/tmp', everybody));
  let polkitd: Program;
  let authority: Capability;
  /** of a user that is not root */
  let program: Program;
  let subject: readonly [kind: string, details: ReadonlyMap<string, Variant>];

  const peers = peersForAllTests(
    async ({ bridge, native }) => {
      polkitd = await bridge.service([DAEMON], NAME, { DBUS_SYSTEM_BUS_ADDRESS: bridge.address });
      authority = await native.resolve(NAME);
      const user = [`--reuid=${NOBODY_UID}`, `--regid=${NOBODY_UID}`, '--clear-groups'];
      program = start('setpriv', [...user, 'sh', '-c', 'echo runs; read line']);
      await program.waitForLine(/runs/);
      const details: [string, Variant][] = [
        ['pid', new Variant('u', program.pid)],
        ['start-time', new Variant('t', 0n)],
        ['uid', new Variant('i', NOBODY_UID)],
      ];
      subject = ['unix-process', new Map(details)];
    },
    ['--config', config],
  );
  afterAll(async () => {
    await program.stop();
    rmSync(folder, { recursive: true });
  });

  const check = (who: unknown, flags = 0) =>
    call(authority, `${AUTHORITY}.CheckAuthorization`, CHECK, who, ACTION, new Map(), flags, '');

  test('says who may do what', async () => {
    const name = new Variant('s', peers.native.uniqueName);
    const [isRootAuthorized] = (await check(['system-bus-name', new Map([['name', name]])])) as [
      boolean,
    ];
    expect(isRootAuthorized).toBe(true);
    expect(await check(subject)).toEqual([false, true, new Map()]);
    const actions = await call(authority, `${AUTHORITY}.EnumerateActions`, 's', 'C');
    expect((actions as unknown[][]).map(([id]) => id)).toContain(ACTION);
    const to = { destination: NAME, path: PATH, interface: AUTHORITY };
    const enumerate = { ...to, member: 'EnumerateActions', signature: 's', body: ['C'] };
    const [known] = (await legacyCall(peers.legacy, enumerate)) as [unknown[][]];
    expect(known).toHaveLength((actions as unknown[]).length);
  });

  test('asks an agent, which is named by text, and which the native peer serves', async () => {
    const asked: unknown[] = [];
    const { native } = peers;
    const agent = implement(AGENT, {
      methods: {
        BeginAuthentication: async (action, _message, _icon, _details, cookie, identities) => {
          asked.push(action);
          const [identity] = identities as unknown[];
          const root = [0, cookie, identity];
          await call(authority, `${AUTHORITY}.AuthenticationAgentResponse2`, 'us(sa{sv})', ...root);
        },
        CancelAuthentication: () => {},
      },
    });
    native.serve('/agent', [agent]);
    const registration = [subject, 'C', '/agent'];
    const signals = await listenTo(native, authority);
    const types = '(sa{sv})ss';
    await call(authority, `${AUTHORITY}.RegisterAuthenticationAgent`, types, ...registration);
    expect(await check(subject, ALLOW_USER_INTERACTION)).toEqual([true, false, new Map()]);
    expect(asked).toEqual([ACTION]);
    const leave = [subject, '/agent'];
    await call(authority, `${AUTHORITY}.UnregisterAuthenticationAgent`, '(sa{sv})s', ...leave);
    expect(await check(subject, ALLOW_USER_INTERACTION)).toEqual([false, true, new Map()]);
    expect(asked).toEqual([ACTION]);
    await signals.next('Changed');
  });

  test('ends, and the handle with it', async () => {
    const released = gone(authority);
    await polkitd.stop();
    await released;
    expect(authority.live).toBe(false);
  });
}
