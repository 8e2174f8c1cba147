// What may lie about in an <includedir>: each is an error with its name, and the bus goes on.
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { formatDiagnostic, nodePolicyIo, readConfig } from '#policy/index.js';
import { openFolder } from '../support/bus-command.js';

const io = nodePolicyIo({ lookupUser: () => undefined, lookupGroup: () => undefined });
const OWN = (name: string): string =>
  `<busconfig><policy context="default"><allow own="${name}"/></policy></busconfig>`;
const GIB = 2 ** 30;

/** Reads a configuration with a good file, and what `make` puts beside it. */
function readBeside(make: (path: string) => void): { names: unknown[]; errors: string[] } {
  const folder = openFolder('odd-files-');
  const main = join(folder, 'bus.conf');
  writeFileSync(main, '<busconfig><includedir>d</includedir></busconfig>');
  mkdirSync(join(folder, 'd'));
  writeFileSync(join(folder, 'd/good.conf'), OWN('a.Good'));
  make(join(folder, 'd/odd.conf'));
  const result = readConfig(main, io);
  if (!result.ok) throw new Error(formatDiagnostic(result.error));
  const rules = result.config.policy.default;
  const errors = result.diagnostics.map(({ message }) => message.replaceAll(folder, ''));
  return { names: rules.map((rule) => 'name' in rule && rule.name), errors };
}

const CASES: readonly [string, (path: string) => void, RegExp][] = [
  ['a link to /dev/zero', (path) => symlinkSync('/dev/zero', path), /ENOTREG \(it is a device/],
  ['a FIFO', (path) => execFileSync('mkfifo', [path]), /ENOTREG \(it is a FIFO/],
  ['a directory', (path) => mkdirSync(path), /EISDIR \(it is a directory/],
  ['a socket', (path) => listen(path), /ENXIO/],
  ['a file of 2 GiB', (path) => sparse(path), /EFBIG \(it has more than 1048576 bytes\)/],
  ['a dangling link', (path) => symlinkSync('/nonexistent', path), /ENOENT/],
  ['a loop of links', (path) => symlinkSync(path, path), /ELOOP/],
  ['a link to a pipe of its own', (path) => symlinkSync('/dev/fd/99', path), /ENOENT/],
  ['bytes that are no UTF-8', (path) => writeFileSync(path, Buffer.of(0xff, 0xff)), /EILSEQ/],
];

test.each(CASES)('%s is an error with its name', (_title, make, reason) => {
  const { names, errors } = readBeside(make);
  expect(names).toEqual(['a.Good']);
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatch(/^cannot read \/d\/odd\.conf: /);
  expect(errors[0]).toMatch(reason);
});

const ENCODINGS: readonly [string, Buffer][] = [
  ['UTF-8 with a byte order mark', Buffer.from(`\uFEFF${OWN('a.Odd')}`)],
  ['UTF-16, little endian', Buffer.from(`\uFEFF${OWN('a.Odd')}`, 'utf16le')],
  ['UTF-16, big endian', Buffer.from(`\uFEFF${OWN('a.Odd')}`, 'utf16le').swap16()],
  [
    'UTF-8 that says it is latin-1',
    Buffer.from(`<?xml version="1.0" encoding="ISO-8859-1"?><!-- \u00E4 -->${OWN('a.Odd')}`),
  ],
];

test.each(ENCODINGS)('%s is read', (_title, bytes) => {
  const { names, errors } = readBeside((path) => writeFileSync(path, bytes));
  expect({ names, errors }).toEqual({ names: ['a.Good', 'a.Odd'], errors: [] });
});

test('10,000 files are read', () => {
  const { names } = readBeside((path) => {
    for (let i = 0; i < 10_000; i++) writeFileSync(`${path}${i}.conf`, OWN(`a.N${i}`));
  });
  expect(names).toHaveLength(10_001);
});

function listen(path: string): void {
  const server = createServer().listen(path);
  onTestFinished(() => void server.close());
}

function sparse(path: string): void {
  writeFileSync(path, '');
  truncateSync(path, 2 * GIB);
}
