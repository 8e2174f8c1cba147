// usage: node test/taste/checked-indices.mjs
//
// Checks with TypeScript's noUncheckedIndexedAccess that the program knows what it does about an index that is out of
// range. tsc has that option for a whole program only, so this runs tsc once more, with it, and leaves out what it says
// about the files below, and about tests, where such an index fails the test.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/**
 * Files whose indices come from loops over arrays and bytes, for each message: a check of each would be noise. A file
 * that needs no exception any more must not stand here.
 */
const EXCEPTIONS = [
  // a message on its way through the core
  'bus1-core/local-domain.ts',
  'bus1-core/message.ts',
  'bus1-core/peer.ts',
  'bus1-core/shared/incoming-message.ts',
  'bus1-core/shared/link-input.ts',
  'bus1-core/shared/message-writer.ts',
  'bus1-core/shared/ring-outbox.ts',
  'bus1-core/shared/transaction.ts',
  // its bytes
  'bridge/wire/convention.ts',
  'bridge/wire/header.ts',
  'bridge/wire/marshal.ts',
  'bridge/wire/names.ts',
  'bridge/wire/signature-syntax.ts',
  'bridge/wire/signature.ts',
  'bridge/wire/unmarshal.ts',
  'bridge/wire/utf8.ts',
  'bridge/wire/value.ts',
  'bridge/uplink/header-rewriter.ts',
  // its way through a host
  'bridge/host/arena.ts',
  'bridge/host/destinations.ts',
  'bridge/host/outbox.ts',
  'bridge/host/reply-table.ts',
  'bridge/peer/incoming.ts',
  'bridge/registry/envelope.ts',
  'policy/facet.ts',
  // the match rules that want it
  'bridge/registry/interner.ts',
  'bridge/registry/match-arguments.ts',
  'bridge/registry/match-entry.ts',
  'bridge/registry/match-fields.ts',
  'bridge/registry/match-search.ts',
];

const { stdout, error } = spawnSync(
  process.execPath,
  [
    join(ROOT, 'node_modules/typescript/bin/tsc'),
    '--project',
    'tsconfig.build.json',
    '--noEmit',
    '--noUncheckedIndexedAccess',
    '--pretty',
    'false',
  ],
  { cwd: ROOT, encoding: 'utf8', maxBuffer: Infinity, stdio: ['ignore', 'pipe', 'inherit'] },
);
if (error) throw error;

/** Each with the lines that belong to it, which are indented. */
const diagnostics = stdout.trimEnd().split(/\n(?! )/u);
const fileOf = (diagnostic) => diagnostic.split('(', 1)[0];
const files = new Set(diagnostics.map(fileOf));
const faults = [
  ...diagnostics.filter((diagnostic) => !EXCEPTIONS.includes(fileOf(diagnostic))),
  ...EXCEPTIONS.filter((file) => !files.has(file)).map(
    (file) =>
      `${file}: every index is checked: take it off the list in test/taste/checked-indices.mjs`,
  ),
];
for (const fault of faults) process.stdout.write(`${fault}\n`);
if (faults.length > 0) process.exitCode = 1;
