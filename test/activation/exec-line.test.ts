import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseExecLine } from '#bridge/activation/exec-line.js';
import { hasReferenceBus, ServiceStarter, startReferenceBus } from './reference-bus.js';

const WORDS: readonly (readonly [line: string, argv: readonly string[] | undefined])[] = [
  ['a b  c\td', ['a', 'b', 'c', 'd']],
  ['"a b" c', ['a b', 'c']],
  [String.raw`'a b'\ c`, ['a b c']],
  [String.raw`"a\"b" "x\$y\\z\q"`, ['a"b', String.raw`x$y\z\q`]],
  [String.raw`it\'s`, ["it's"]],
  [String.raw`'a\b'`, [String.raw`a\b`]],
  [`'a'"b"c`, ['abc']],
  [`"" ''`, ['', '']],
  ['$HOME ~ `x` *', ['$HOME', '~', '`x`', '*']],
  [String.raw`a\\b`, [String.raw`a\b`]],
  ['é "ü"', ['é', 'ü']],
  ['trailing ', ['trailing', '']],
  ['', ['']],
  ['hash#mid x', ['hash']],
  ['a # comment', ['a', '']],
  ['"#no comment"', ['#no comment']],
  [String.raw`\#x y`, ['#x', 'y']],
  ['new\nline', ['new', 'line']],
  ['two\n\nlines', ['two', '', 'lines']],
  ['a\n# c\nb', ['a', 'b']],
  ['a#c\nb', ['ab']],
  ['"q\nq" r', ['q\nq', 'r']],
  ['a\\\nb', ['ab']],
  ['"x\\\ny" z', ['x\ny', 'z']],
  ['x\ry', ['x\ry']],
  ['a "b', undefined],
  ["a 'b", undefined],
  ["it's", undefined],
  ['a \\', undefined],
  ['a #', undefined],
];

/** As the value of a key in a service file. */
function escapeValue(line: string): string {
  const escapes: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };
  return line.replaceAll(/[\\\n\r\t]/g, (character) => escapes[character]);
}

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

describe(`the Exec line (SEED=${seed})`, () => {
  test.each(WORDS)('%j', (line, argv) => {
    const expected = argv === undefined ? { fault: 'Unclosed quotes in command line' } : { argv };
    expect(parseExecLine(line)).toEqual(expected);
  });

  test.runIf(hasReferenceBus)('is split as by dbus-daemon', async () => {
    const characters = fc.constantFrom(...'a b " \' \\ # \t \n $ é'.split(' '), ' ');
    const random = fc.sample(fc.string({ unit: characters, maxLength: 12 }), { seed, numRuns: 60 });
    const lines = [...WORDS.map(([line]) => line), ...random];

    const directory = mkdtempSync(join(tmpdir(), 'exec-line-'));
    const program = join(directory, 'program');
    writeFileSync(program, '#!/bin/sh\nprintf "%s\\0" "$@" > "$0.$1"\nexit 1\n', { mode: 0o755 });
    lines.forEach((line, index) => {
      const exec = `${program} ${index} ${escapeValue(line)}`;
      const content = `[D-BUS Service]\nName=org.example.N${index}\nExec=${exec}\n`;
      writeFileSync(join(directory, `${index}.service`), content);
    });
    const bus = await startReferenceBus({
      directory,
      elements: `<servicedir>${directory}</servicedir>`,
    });
    const starter = await ServiceStarter.connect(bus.address);
    try {
      for (const [index, line] of lines.entries()) {
        const { errorName } = await starter.start(`org.example.N${index}`);
        const { argv } = parseExecLine(`${program} ${index} ${line}`);
        const seen = errorName.endsWith('.InvalidArgs')
          ? undefined
          : [program, ...readFileSync(`${program}.${index}`, 'utf8').split('\0').slice(0, -1)];
        expect({ line, argv }).toEqual({ line, argv: seen });
      }
    } finally {
      starter.disconnect();
      await bus.stop();
    }
  });
});
