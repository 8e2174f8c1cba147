// Two processes and no bus: one creates a domain, the other joins it. `node examples/domain-without-dbus.mjs`
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Domain, implement } from 'bus1-bridge';

/** @type {import('bus1-bridge').InterfaceDescription<{ Greet: (name: string) => string }, {}, {}>} */
const Greeter = {
  name: 'org.example.Greeter',
  methods: { Greet: { in: 's', out: 's' } },
  signals: {},
  properties: {},
};

const [path] = process.argv.slice(2);
if (path === undefined) {
  const directory = mkdtempSync(join(tmpdir(), 'domain-'));
  const socket = join(directory, 'authority');
  const greeter = implement(Greeter, { methods: { Greet: (name) => `Hello, ${name}!` } });
  const domain = await Domain.create(socket, greeter);
  fork(import.meta.filename, [socket]).once('exit', () => {
    domain.close();
    rmSync(directory, { recursive: true });
  });
} else {
  const domain = await Domain.join(path);
  const greeting = await domain.root.as(Greeter).methods.Greet('process ' + process.pid);
  process.stdout.write(`${greeting}\n`);
  domain.close();
}
