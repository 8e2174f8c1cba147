// A source, a filter in the middle, and a sink, in three processes. The middle one introduces the others to each other
// and leaves; they go on without it. `node examples/pipeline.mjs`
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Domain, implement } from 'bus1-bridge';

/** @typedef {import('bus1-bridge').ObjectReference} ObjectReference */
/**
 * @type {import('bus1-bridge').InterfaceDescription<
 *   { Register: (role: string, object: ObjectReference) => void }, {}, {}
 * >}
 */
const Middle = {
  name: 'org.example.Middle',
  methods: { Register: { in: 'so', out: '' } },
  signals: {},
  properties: {},
};

/** @type {import('bus1-bridge').InterfaceDescription<{ SendTo: (sink: ObjectReference) => void }, {}, {}>} */
const Source = {
  name: 'org.example.Source',
  methods: { SendTo: { in: 'o', out: '' } },
  signals: {},
  properties: {},
};

/** @type {import('bus1-bridge').InterfaceDescription<{ Take: (text: string) => void }, {}, {}>} */
const Sink = {
  name: 'org.example.Sink',
  methods: { Take: { in: 's', out: '' } },
  signals: {},
  properties: {},
};

const ROLES = { source, middle, sink };
const [role, path] = process.argv.slice(2);
await (role === undefined ? start() : ROLES[role]());

async function start() {
  const folder = mkdtempSync(join(tmpdir(), 'pipeline-'));
  const run = (name) => fork(import.meta.filename, [name, join(folder, 'authority')]);
  const first = run('middle');
  const left = once(first, 'exit');
  await once(first, 'message');
  await Promise.all([left, ...['source', 'sink'].map((name) => once(run(name), 'exit'))]);
  rmSync(folder, { recursive: true });
}

async function middle() {
  const objects = new Map();
  const register = (name, object) => {
    objects.set(name, object);
    if (objects.size === 2) void introduce(objects.get('source').as(Source), objects.get('sink'));
  };
  const domain = await Domain.create(path, implement(Middle, { methods: { Register: register } }));
  process.send('ready');

  async function introduce({ methods }, end) {
    const take = (text) => end.as(Sink).methods.Take(`${text}, filtered`);
    await methods.SendTo(domain.export(implement(Sink, { methods: { Take: take } })));
    await methods.SendTo(end);
    process.exit();
  }
}

async function source() {
  const domain = await Domain.join(path);
  let next;
  let count = 0;
  const send = (text) => next.as(Sink).methods.Take(`${++count}: ${text}`);
  const sendTo = (object) => {
    next = object;
    return send('while the middle is there');
  };
  const own = domain.export(implement(Source, { methods: { SendTo: sendTo } }));
  domain.root.onRelease(async () => {
    await send('after the middle has left');
    await send('end');
    domain.close();
  });
  await domain.root.as(Middle).methods.Register('source', own);
}

async function sink() {
  const domain = await Domain.join(path);
  const take = (text) => {
    process.stdout.write(`${text}\n`);
    if (text.endsWith(': end')) setImmediate(() => domain.close());
  };
  const own = domain.export(implement(Sink, { methods: { Take: take } }));
  await domain.root.as(Middle).methods.Register('sink', own);
}
