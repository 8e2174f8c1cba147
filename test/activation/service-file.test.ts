import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseServiceFile, SERVICE_FILE_MAX_BYTES } from '#bridge/activation/service-file.js';
import { formatDiagnostic } from '#bridge/activation/diagnostic.js';
import { hasReferenceBus, ServiceStarter, startReferenceBus } from './reference-bus.js';

const FILE = '/services/x.service';
const parse = (text: string) => parseServiceFile(FILE, new TextEncoder().encode(text));
const HEAD = '[D-BUS Service]\nName=org.example.Name\n';

describe('a service file', () => {
  test('says everything there is to say', () => {
    const { service, diagnostics } = parse(
      '# a comment\n\n[D-BUS Service]\nName=org.example.Name\nExec=/usr/bin/program --flag\n' +
        'User=nobody\nSystemdService=example.service\nAssumedAppArmorLabel=/usr/bin/program\n',
    );
    expect(diagnostics).toEqual([]);
    expect(service).toEqual({
      name: 'org.example.Name',
      exec: '/usr/bin/program --flag',
      user: 'nobody',
      systemdUnit: 'example.service',
      assumedAppArmorLabel: '/usr/bin/program',
      file: FILE,
      line: 4,
    });
  });

  /** What dbus-daemon takes the Exec key to be. */
  test.each([
    ['spaces around "="', 'Exec  =  /bin/true', '/bin/true'],
    ['trailing spaces', 'Exec=/bin/true ', '/bin/true '],
    ['nothing', 'Exec=', ''],
    ['the first of two', 'Exec=/bin/1\nExec=/bin/2', '/bin/1'],
    ['a translation before', 'Exec[de]=\\?\nExec=/bin/2', '/bin/2'],
    ['a comment before', '#Exec=/bin/1\nExec=/bin/2', '/bin/2'],
    ['another section after', 'Exec=/bin/1\n[Other]\nExec=/bin/2', '/bin/1'],
    ['escapes', 'Exec=a\\sb\\tc\\nd\\re\\\\f', 'a b\tc\nd\re\\f'],
    ['carriage returns', 'Exec=/bin/true\r\nX=1\r\n', '/bin/true'],
    ['blank lines', 'Exec=/bin/true\n \t\f\n', '/bin/true'],
    ['unknown keys', 'Exec=/bin/true\nX-Vendor-9=1', '/bin/true'],
    ['no line feed at the end', 'Exec=é', 'é'],
  ])('with %s', (_title, lines, exec) => {
    expect(parse(HEAD + lines).service?.exec).toBe(exec);
  });

  test.each([
    ['a key that nobody can read', 'Exec=/bin/true\nFoo_Bar=1', 4, 'after the key "Foo"'],
    ['an empty key', 'Exec=/bin/true\n=1', 4, 'a key is missing'],
    ['an indented key', 'Exec=/bin/true\n\tX=1', 4, 'a key is missing'],
    ['no "="', 'Exec=/bin/true\nX', 4, 'no "=" after the key "X"'],
    ['an unknown escape', 'Exec=/bin/true \\q', 3, 'invalid escape in the value of "Exec"'],
    ['an escape cut short', 'Exec=/bin/true \\', 3, 'invalid escape in the value of "Exec"'],
    ['a section left open', 'Exec=/bin/true\n[Other', 4, 'must have the form [name]'],
    ['a section without a name', 'Exec=/bin/true\n[]', 4, 'must have the form [name]'],
    ['a section with brackets', 'Exec=/bin/true\n[a[b]', 4, 'invalid characters'],
    ['no Exec key', 'User=root', 0, 'no Exec key'],
    ['a NUL', 'Exec=/bin/\0', 0, 'not UTF-8'],
  ])('with %s is not used', (_title, lines, line, message) => {
    const { service, diagnostics } = parse(HEAD + lines);
    expect(service).toBeUndefined();
    expect(diagnostics).toMatchObject([{ severity: 'error', file: FILE, line }]);
    expect(diagnostics[0]?.message).toContain(message);
  });

  test.each([
    ['nothing at all', '', 0, 'no [D-BUS Service] section'],
    ['another section only', '[Other]\nName=org.example.Name', 0, 'no [D-BUS Service] section'],
    [
      'a key before the section',
      'Name=org.example.Name\n[D-BUS Service]',
      1,
      'before any [section]',
    ],
    ['an indented section', ' [D-BUS Service]', 1, 'before any [section]'],
    ['a byte order mark', '\uFEFF[D-BUS Service]', 1, 'before any [section]'],
    ['no name', '[D-BUS Service]\nExec=/bin/true', 0, 'no Name key'],
    ['an invalid name', '[D-BUS Service]\nName=not valid!\nExec=x', 2, 'not a valid bus name'],
    ['a unique name', '[D-BUS Service]\nName=:1.9\nExec=x', 2, 'is a unique name'],
    ["the bus's name", '[D-BUS Service]\nName=org.freedesktop.DBus\nExec=x', 2, 'owned by the bus'],
    ['its keys in a second section', `[D-BUS Service]\n${HEAD}Exec=x`, 0, 'no Name key'],
    [
      'too much text',
      `${HEAD}Exec=x\n#${'x'.repeat(SERVICE_FILE_MAX_BYTES)}`,
      0,
      'bytes; the limit is',
    ],
  ])('with %s is not used', (_title, text, line, message) => {
    const { service, diagnostics } = parse(text);
    expect(service).toBeUndefined();
    expect(diagnostics).toMatchObject([{ severity: 'error', file: FILE, line }]);
    expect(diagnostics[0]?.message).toContain(message);
  });

  test('that is not UTF-8 is not used', () => {
    const content = new Uint8Array([...new TextEncoder().encode(`${HEAD}Exec=`), 0xff]);
    expect(parseServiceFile(FILE, content).service).toBeUndefined();
  });

  test('is complained about with file and line', () => {
    const [diagnostic] = parse(`${HEAD}Exec=\\q`).diagnostics;
    expect(formatDiagnostic(diagnostic)).toMatch(
      /^\/services\/x\.service:3: service file not used: /,
    );
    const [whole] = parse('').diagnostics;
    expect(formatDiagnostic(whole)).toMatch(/^\/services\/x\.service: service file not used: /);
  });
});

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

test.runIf(hasReferenceBus)(`dbus-daemon uses the same files (SEED=${seed})`, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'service-files-'));
  const marks = [
    '[',
    ']',
    '=',
    '#',
    '\\',
    '\\s',
    ' ',
    '\t',
    '\r\n',
    '\n',
    '\f',
    '-',
    '_',
    '\u00e9',
  ];
  const lines = [
    'X=1\n',
    'X-1 = a\\sb\n',
    'X[de]=\\q\n',
    '# comment\n',
    ' \n',
    '\r\n',
    '[Other]\n',
    '[D-BUS Service]\n',
    'Name=a.b\n',
    'Exec=/bin/false\n',
    'X=\\\\\n',
    'X=\u00e9\n',
    'X=\n',
  ];
  const piece = fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...lines) },
    { weight: 1, arbitrary: fc.constantFrom(...marks) },
  );
  const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(''));
  const surroundings = fc.sample(fc.tuple(text, text), { seed, numRuns: 300 });
  const expected: string[] = [];
  for (const [index, [before, after]] of surroundings.entries()) {
    const name = `org.example.N${index}`;
    const content = `${before}\n[D-BUS Service]\nName=${name}\nExec=/bin/true\n${after}`;
    writeFileSync(join(directory, `${name}.service`), content);
    if (parse(content).service?.name === name) expected.push(name);
  }
  const elements = `<servicedir>${directory}</servicedir>`;
  const bus = await startReferenceBus({ elements, directory });
  const starter = await ServiceStarter.connect(bus.address);
  try {
    const names = await starter.activatableNames();
    const seen = names.filter((name) => name.startsWith('org.example.N'));
    expect(seen.toSorted()).toEqual(expected.toSorted());
    expect(expected.length).toBeGreaterThan(10);
    expect(expected.length).toBeLessThan(290);
  } finally {
    starter.disconnect();
    await bus.stop();
  }
});
