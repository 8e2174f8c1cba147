// A helper that may do more than others, without polkit: the capability that a program is given at its start is the
// permission. The launcher gets it from the helper, and gives it to one of the two programs that it starts.
// `node examples/privileged-helper.mjs`
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Domain, implement } from 'bus1-bridge';

/** @typedef {import('bus1-bridge').ObjectReference} ObjectReference */
/**
 * @type {import('bus1-bridge').InterfaceDescription<
 *   { Offer: (power: ObjectReference) => void; Powers: () => Map<string, ObjectReference> }, {}, {}
 * >}
 */
const Launcher = {
  name: 'org.example.Launcher',
  methods: { Offer: { in: 'o', out: '' }, Powers: { in: '', out: 'a{so}' } },
  signals: {},
  properties: {},
};

/** @type {import('bus1-bridge').InterfaceDescription<{ SetTime: (time: string) => string }, {}, {}>} */
const Clock = {
  name: 'org.example.Clock',
  methods: { SetTime: { in: 's', out: 's' } },
  signals: {},
  properties: {},
};

const print = (text) => process.stdout.write(`${text}\n`);
const [role, path] = process.argv.slice(2);
if (role === undefined) await launch();
else if (role === 'helper') await help();
else await use();

async function launch() {
  const folder = mkdtempSync(join(tmpdir(), 'helper-'));
  const socket = join(folder, 'authority');
  /** What each process was given, by the pid that the kernel says. */
  const powers = new Map();
  let helper;
  let offer;
  const offered = new Promise((resolve) => void (offer = resolve));
  const domain = await Domain.create(
    socket,
    implement(Launcher, {
      methods: {
        Offer(power, call) {
          if (call.process?.pid === helper.pid) offer(power);
        },
        Powers: (call) => powers.get(call.process?.pid) ?? new Map(),
      },
    }),
  );
  const start = (name) => fork(import.meta.filename, [name, socket]);
  helper = start('helper');
  const clock = await offered;
  const trusted = start('trusted program');
  powers.set(trusted.pid, new Map([['clock', clock]]));
  await once(trusted, 'exit');
  await once(start('other program'), 'exit');
  helper.kill();
  await once(helper, 'exit');
  domain.close();
  rmSync(folder, { recursive: true });
}

async function help() {
  const domain = await Domain.join(path);
  const setTime = (time) => `the time is ${time}`;
  const clock = domain.export(implement(Clock, { methods: { SetTime: setTime } }));
  await domain.root.as(Launcher).methods.Offer(clock);
}

async function use() {
  const domain = await Domain.join(path);
  const powers = await domain.root.as(Launcher).methods.Powers();
  // From here to the helper there is nobody in between, and nobody to ask.
  const clock = powers.get('clock');
  print(
    `${role}: ${clock ? await clock.as(Clock).methods.SetTime('noon') : 'has no clock to set'}`,
  );
  domain.close();
}
