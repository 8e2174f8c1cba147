// Services of a desktop, which neither replace an owner nor queue, move to the bridge and back while they are called.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWith, needs, needsPythonModule, PYTHON } from '../support/software.js';
import { Bridge } from './bridge.js';
import { migrate, Notifier } from './notifications.js';
import { OLD_BUS_SOFTWARE, OldBus } from './old-bus.js';

const CALLER = join(import.meta.dirname, 'python/caller.py');
/** What the bus says to a caller whose message was still in the socket of an owner that has ended. */
const UNANSWERED = /Message recipient disconnected from message bus without replying/;
const SIDES = ['old bus', 'bridge'] as const;
const SERVICES = [
  {
    title: 'dconf',
    isReplaceable: false,
    name: 'ca.desrt.dconf',
    exec: '/usr/libexec/dconf-service',
    debianPackage: 'dconf-service',
    call: ['/ca/desrt/dconf/Writer/user', 'ca.desrt.dconf.Writer', 'Init', '()'],
  },
  {
    title: 'gvfs',
    isReplaceable: true,
    name: 'org.gtk.vfs.Daemon',
    exec: '/usr/libexec/gvfsd --no-fuse',
    debianPackage: 'gvfs-daemons',
    call: ['/org/gtk/vfs/Daemon', 'org.gtk.vfs.Daemon', 'ListMonitorImplementations', '()'],
  },
  {
    title: 'gnome-keyring',
    isReplaceable: false,
    name: 'org.freedesktop.secrets',
    exec: '/usr/bin/gnome-keyring-daemon --foreground --components=secrets',
    debianPackage: 'gnome-keyring',
    call: [
      '/org/freedesktop/secrets',
      'org.freedesktop.Secret.Service',
      'SearchItems',
      '(@a{ss} {},)',
    ],
  },
];

describe.each(SERVICES)('$title', ({ title, isReplaceable, name, exec, debianPackage, call }) => {
  const [program] = exec.split(' ');
  const software = [
    ...OLD_BUS_SOFTWARE['dbus-daemon'],
    needs(program, debianPackage),
    needs(PYTHON, 'python3'),
    needsPythonModule('gi', 'python3-gi'),
  ];

  describeWith(software, 'moves', () => {
    let old: OldBus;
    let bridge: Bridge;
    beforeAll(async () => {
      old = await OldBus.start('dbus-daemon', [{ name, exec }]);
      bridge = await Bridge.attach(old, { imports: [name] });
    });
    afterAll(async () => {
      await bridge.stop();
      await old.stop();
    });

    test.each(SIDES)('there and back while a client on the %s calls it', async (side) => {
      const env = side === 'bridge' ? bridge.env : old.env;
      const caller = await Notifier.start(env, [CALLER, name, ...call]);
      await caller.goOn();
      const there = await migrate(bridge, name, '--stop-old', '--', ...exec.split(' '));
      expect(there.result).toMatchObject({ moved: true });
      await caller.goOn();
      const back = await migrate(bridge, name, '--back', '--stop-old');
      expect(back.result).toMatchObject({ moved: true, from: { pid: there.result.to.pid } });
      expect(back.steps).toContain('released');
      await caller.goOn();
      const { sent, answered, failed, errors } = await caller.end();
      process.stdout.write(`${title}, client on the ${side}: sent ${sent}, answered ${answered}\n`);
      expect(answered + failed).toBe(sent);
      /* an owner that is ended takes with it what clients of its own bus send to it meanwhile: they are all told so */
      const isBeyondReach = side === 'old bus' && !isReplaceable;
      const lost = errors.filter((error) => !(isBeyondReach && UNANSWERED.test(error)));
      expect(lost).toEqual([]);
    });
  });
});
