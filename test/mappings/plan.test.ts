// `bus1-bridge mappings plan`: who talks to what on a bus, and in which order names can move.
import { join } from 'node:path';
import dbus from 'dbus-next';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Traffic } from '#bridge/cli/mappings-plan-traffic.js';
import { type Plan, makePlan } from '#bridge/cli/mappings-plan-report.js';
import { planText } from '#bridge/cli/mappings-plan-text.js';
import { parseMapping } from '#mappings/index.js';
import { ROOT } from '../support/bus-command.js';
import { connect, watchNames, type NameWatch } from '../support/names.js';
import { type Program, output, run, start } from '../support/process.js';
import { PYTHON, describeWith, needs } from '../support/software.js';

const PROGRAM = join(ROOT, 'dist/bridge/cli/bus1-bridge.js');
const ASK = { path: '/', interface: 'org.example.Ask', member: 'Ask' };

/** A program that owns names and, when it is asked, asks others. */
async function service(address: string, names: readonly string[], asks: readonly string[]) {
  const bus = await connect(address);
  let isBusy = false;
  const handler = (message: dbus.Message): boolean => {
    if (message.member !== ASK.member) return false;
    const wasBusy = isBusy;
    isBusy = true;
    const others = wasBusy ? [] : asks.map((destination) => ask(bus, destination));
    void Promise.all(others).then(() => {
      isBusy = wasBusy;
      bus.send(dbus.Message.newMethodReturn(message, '', []));
    });
    return true;
  };
  bus.addMethodHandler(handler);
  for (const name of names) await bus.requestName(name, 0);
  return bus;
}

async function ask(bus: dbus.MessageBus, destination: string): Promise<void> {
  await bus.call(new dbus.Message({ destination, ...ASK }));
}

describeWith(
  [needs('dbus-daemon', 'dbus-daemon'), needs('gdbus', 'libglib2.0-bin')],
  'a bus',
  () => {
    let daemon: Program;
    let address: string;
    let watcher: dbus.MessageBus;
    let names: NameWatch;
    let services: dbus.MessageBus[];

    beforeEach(async () => {
      daemon = start('dbus-daemon', ['--session', '--nofork', '--print-address=1']);
      address = await daemon.waitForLine(/^unix:/);
      watcher = await connect(address);
      names = await watchNames(watcher);
      services = [
        await service(address, ['org.example.Back', 'org.example.Also'], ['org.example.Front']),
        await service(address, ['org.example.Front'], ['org.example.Back', 'org.example.Base']),
        await service(address, ['org.example.Base'], []),
        await service(address, ['org.freedesktop.Notifications'], ['org.example.Front']),
      ];
    });

    afterEach(async () => {
      for (const bus of [watcher, ...services]) bus.disconnect();
      await daemon.stop();
    });

    /** A command that watches: what it has to see can begin when it has left the bus, as monitors do. */
    const watching = async (command: string, args: readonly string[]): Promise<Program> => {
      const words = ['mappings', 'plan', '--bus', address, '--seconds', '3'];
      const monitor = `:1.${Number(await uniqueNumber()) + 2}`;
      const left = new Promise<void>((resolve) => {
        watcher.on('message', ({ member, body }: dbus.Message) => {
          if (member === 'NameOwnerChanged' && body[0] === monitor && body[2] === '') resolve();
        });
      });
      const program = start(command, [...args, ...words]);
      await left;
      return program;
    };
    /** The number of the connection that came last; the command has two, of which the second becomes a monitor. */
    const uniqueNumber = async (): Promise<string> => {
      const last = await connect(address);
      const name = 'name' in last ? String(last.name) : '';
      last.disconnect();
      await names.gone(name);
      return name.split('.')[1];
    };
    const gdbus = (destination: string): Promise<string> => {
      const words = ['--object-path', '/', '--method', `${ASK.interface}.${ASK.member}`];
      const args = ['call', '--address', address, '--dest', destination, ...words];
      return output('gdbus', args);
    };

    test('callers, owners and an order', async () => {
      const program = await watching(process.execPath, [PROGRAM]);
      await gdbus('org.freedesktop.Notifications');
      const { code, stdout, stderr } = await program.ended;
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/3 s on the bus at unix:.*: \d+ calls/);
      expect(stdout).toMatch(/ 1\. org\.freedesktop\.Notifications\n/);
      expect(stdout).toMatch(
        / 2\. org\.example\.Also, org\.example\.Back, org\.example\.Front, together\n/,
      );
      expect(stdout).toMatch(/ 3\. org\.example\.Base\n/);
      expect(stdout).toMatch(/needs names that move later: --import org\.example\.Front\n/);
      expect(stdout).toMatch(/mapping: .*notifications\.yaml \(import\)/);
      expect(stdout).toMatch(/-> org\.freedesktop\.Notifications: \d+ calls?\n/);
      expect(stdout).toMatch(
        /called by :1\.\d+ until they move: --export org\.freedesktop\.Notifi/,
      );
      expect(stdout).toContain(`(pid ${process.pid}, ${process.execPath})`);
    });

    test('JSON', async () => {
      const words = ['mappings', 'plan', '--bus', address, '--seconds', '0.1', '--json'];
      const { code, stdout } = await run(process.execPath, [PROGRAM, ...words]);
      expect(code).toBe(0);
      const plan: Plan = JSON.parse(stdout);
      expect(plan).toMatchObject({ seconds: 0.1, calls: 0, dealings: [] });
      expect(plan.steps.map((step) => step.names)).toEqual([
        ['org.example.Also', 'org.example.Back'],
        ['org.example.Base'],
        ['org.example.Front'],
        ['org.freedesktop.Notifications'],
      ]);
      expect(plan.steps[1].owners).toMatchObject([{ pid: process.pid }]);
    });

    test('a bar shows how far it is, on a terminal', async () => {
      const command = [process.execPath, PROGRAM, 'mappings', 'plan', '--bus', address];
      const spawn = 'import pty, sys; pty.spawn(sys.argv[1:])';
      const args = ['-c', spawn, ...command, '--seconds', '0.3'];
      expect(await output(PYTHON, args)).toMatch(/\[#+\.+\] \d\/0\.3 s, \d+ messages/);
    });

    test.each([
      [['--seconds', 'soon'], /--seconds takes a number/],
      [['--seconds', '0'], /--seconds takes a number/],
      [['--bus', 'unix:path=/nonexistent'], /cannot reach the bus at unix:path=\/nonexistent/],
    ])('%j is an error', async (words, message) => {
      const { code, stderr } = await run(process.execPath, [PROGRAM, 'mappings', 'plan', ...words]);
      expect(code).toBe(stderr.endsWith('--help\n') ? 2 : 1);
      expect(stderr).toMatch(message);
    });
  },
);

describe('a plan', () => {
  const mapping = (allow: string): string => `service: Things
bus: session
direction: export
names: { org.example.Things.*: root }
objects: { root: { path: /org/example, interfaces: [org.example.Things] } }
uplinks: { allow: [${allow}] }
`;
  const planFor = (traffic: Traffic, allow = 'uid:4'): Plan => {
    const result = parseMapping(mapping(allow), 'things.yaml');
    const own = { uid: process.getuid!(), pid: process.pid, executable: '/bin/own' };
    const clients = new Map([
      [':1.1', { uniqueName: ':1.1', ...own }],
      [':1.2', { uniqueName: ':1.2', ...own }],
      [':1.9', { uniqueName: ':1.9', uid: 1_234_567, pid: 9, executable: undefined }],
    ]);
    const mappings = 'mapping' in result ? [result.mapping] : [];
    return makePlan({ bus: 'unix:path=/bus', seconds: 1, traffic, clients, mappings });
  };
  const traffic = (): Traffic => {
    const seen = new Traffic();
    seen.owned('org.example.Things.One', ':1.1');
    return seen;
  };

  test('says which clients are confined, and what allows them', () => {
    const seen = traffic();
    seen.called(':1.9', 'org.example.Things.One');
    expect(planFor(seen).steps).toMatchObject([
      {
        mappings: [{ file: 'things.yaml', direction: 'export' }],
        export: [{ uniqueName: ':1.9' }],
        confined: [{ grant: 'uid:1234567', isAllowed: false }],
      },
    ]);
    expect(planText(planFor(seen))).toContain('to allow it: --allow-confined uid:1234567');
    const allowed = planFor(seen, 'uid:1234567');
    expect(allowed.steps[0].confined).toMatchObject([{ isAllowed: true }]);
    expect(planText(allowed)).toContain('the mapping allows it');
  });

  test('knows names by their owners, and listeners by their match rules', () => {
    const seen = traffic();
    seen.owned('org.example.Two', ':1.2');
    seen.called(':1.2', ':1.1');
    seen.called(':1.2', 'org.example.Things.One');
    seen.asked(':1.1', "type='signal',sender='org.example.Two'");
    seen.asked(':1.1', "type='signal',member='Whatever'");
    const plan = planFor(seen);
    expect(plan.dealings).toMatchObject([
      { from: { uniqueName: ':1.1' }, to: 'org.example.Two', calls: 0, listens: true },
      { from: { uniqueName: ':1.2' }, to: 'org.example.Things.One', calls: 2, listens: false },
    ]);
    expect(plan.steps.map(({ names }) => names)).toEqual([
      ['org.example.Things.One', 'org.example.Two'],
    ]);
  });

  test('a name that nobody owns', () => {
    const seen = new Traffic();
    seen.called(':1.1', 'org.example.Absent');
    expect(planText(planFor(seen))).toContain('       no owner at present');
  });
});
