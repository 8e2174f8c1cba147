// A portal hands out a capability to one document, and takes it back on close. It asks nobody who the caller is: what a
// program can do is what it was given. `bus1-bridge run -- node examples/file-portal.mjs`
import { fork } from 'node:child_process';
import { DBusError, implement, join } from 'bus1-bridge';

const NAME = 'org.example.FilePortal';

/** @typedef {import('bus1-bridge').ObjectReference} ObjectReference */
/** @type {import('bus1-bridge').InterfaceDescription<{ Open: (title: string) => ObjectReference }, {}, {}>} */
const Portal = {
  name: NAME,
  methods: { Open: { in: 's', out: 'o' } },
  signals: {},
  properties: {},
};

/** @type {import('bus1-bridge').InterfaceDescription<{ Read: () => string; Close: () => void }, {}, {}>} */
const Document = {
  name: 'org.example.Document',
  methods: { Read: { in: '', out: 's' }, Close: { in: '', out: '' } },
  signals: {},
  properties: {},
};

const print = (text) => process.stdout.write(`${text}\n`);
const bus = await join();

if (process.argv[2] === 'program') await useDocument();
else await servePortal();

async function servePortal() {
  const documents = new Map([['letter', 'Dear Ada']]);
  const open = (title) => {
    const text = documents.get(title);
    if (text === undefined) throw new DBusError('org.example.Error.NotFound', `no ${title} here`);
    const document = bus.export(
      implement(Document, {
        methods: {
          Read: () => text,
          // Whoever has it loses it, also those to whom it was passed on.
          Close: () => bus.unexport(document),
        },
      }),
    );
    return document;
  };
  bus.serve('/', implement(Portal, { methods: { Open: open } }));
  await bus.requestName(NAME);
  fork(import.meta.filename, ['program']).once('exit', () => bus.close());
}

async function useDocument() {
  const portal = bus.proxy(Portal, NAME, '/');
  await portal.methods.Open('diary').catch((error) => print(`diary: ${error.name}`));
  const letter = await portal.methods.Open('letter');
  const { methods } = letter.as(Document);
  print(`letter: ${await methods.Read()}`);
  await methods.Close();
  await methods.Read().catch((error) => print(`closed: ${error.code}`));
  bus.close();
}
