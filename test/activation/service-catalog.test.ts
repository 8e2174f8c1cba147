import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filter, firstValueFrom } from 'rxjs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ServiceCatalog } from '#bridge/activation/service-catalog.js';
import type { CatalogChange } from '#bridge/activation/service-catalog.js';
import type { ServiceDirectory } from '#bridge/activation/service-directories.js';

let root: string;
let catalog: ServiceCatalog;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'catalog-'));
  mkdirSync(join(root, 'first'));
  mkdirSync(join(root, 'second'));
});
afterEach(() => {
  catalog.close();
  rmSync(root, { recursive: true, force: true });
});

const at = (name: string, flags: Partial<ServiceDirectory> = {}): ServiceDirectory => ({
  path: join(root, name),
  strictNaming: false,
  watched: true,
  transient: false,
  ...flags,
});

function write(file: string, name: string, exec = '/bin/true'): string {
  const path = join(root, file);
  writeFileSync(path, `[D-BUS Service]\nName=${name}\nExec=${exec}\n`);
  return path;
}

const NO_CHANGE: CatalogChange = { added: [], removed: [], changed: [], diagnostics: [] };

describe('loading', () => {
  test('collects the names of all directories; one that is missing is empty', () => {
    write('first/a.b.service', 'a.b');
    write('second/a.c.service', 'a.c');
    write('second/not-a-service.txt', 'a.d');
    catalog = new ServiceCatalog([at('first'), at('missing'), at('second')]);
    expect(catalog.names()).toEqual([]);
    expect(catalog.load()).toEqual({ ...NO_CHANGE, added: ['a.b', 'a.c'] });
    expect(catalog.names()).toEqual(['a.b', 'a.c']);
    expect(catalog.get('a.b')?.file).toBe(join(root, 'first/a.b.service'));
    expect(catalog.get('a.x')).toBeUndefined();
  });

  test('the first directory wins, and the file that it lists first; losers noted once', () => {
    for (const file of ['0', 'a.b', 'z', 'm']) write(`first/${file}.service`, 'a.b', file);
    write('second/a.b.service', 'a.b');
    catalog = new ServiceCatalog([at('first'), at('second')]);
    const { diagnostics } = catalog.load();
    const [winner, ...losers] = execFileSync('ls', ['-U', join(root, 'first')], {
      encoding: 'utf8',
    })
      .trim()
      .split('\n')
      .map((file) => join(root, 'first', file));
    expect(catalog.get('a.b')?.file).toBe(winner);
    expect(diagnostics.map(({ severity, file }) => [severity, file])).toEqual(
      [...losers, join(root, 'second/a.b.service')].map((file) => ['info', file]),
    );
    for (const { message } of diagnostics) expect(message).toContain(winner);
    expect(catalog.reload()).toEqual(NO_CHANGE);
  });

  test('bad files are reported and change nothing for the others', () => {
    write('first/good.service', 'a.good');
    const bad = [write('first/bad.service', 'not valid'), join(root, 'first/dangling.service')];
    symlinkSync('/nonexistent', bad[1]);
    mkdirSync(join(root, 'first/directory.service'));
    execFileSync('mkfifo', [join(root, 'first/fifo.service')]);
    catalog = new ServiceCatalog([at('first')]);
    const { added, diagnostics } = catalog.load();
    expect(added).toEqual(['a.good']);
    expect(diagnostics.map(({ severity }) => severity)).toEqual(Array(4).fill('error'));
    expect(diagnostics.map(({ file }) => file)).toEqual(expect.arrayContaining(bad));
  });

  test('where names are strict, a file must be called after its name', () => {
    write('first/a.b.service', 'a.b');
    write('first/other.service', 'a.c');
    catalog = new ServiceCatalog([at('first', { strictNaming: true })]);
    const { added, diagnostics } = catalog.load();
    expect(added).toEqual(['a.b']);
    expect(diagnostics).toMatchObject([{ severity: 'error', line: 2 }]);
    expect(diagnostics[0].message).toContain('"a.c.service"');
  });
});

describe('reloading', () => {
  test('tells what is new, gone and different', () => {
    write('first/a.service', 'a.stays');
    write('first/b.service', 'a.changes');
    write('first/c.service', 'a.goes');
    catalog = new ServiceCatalog([at('first')]);
    catalog.load();
    write('first/b.service', 'a.changes', '/bin/other');
    write('first/c.service', 'a.comes');
    const expected = { added: ['a.comes'], removed: ['a.goes'], changed: ['a.changes'] };
    expect(catalog.reload()).toEqual({ ...NO_CHANGE, ...expected });
  });

  test('may be from other directories', () => {
    write('first/a.service', 'a.first');
    write('second/a.service', 'a.second');
    catalog = new ServiceCatalog([at('first')]);
    catalog.load();
    expect(catalog.reload([at('second')])).toMatchObject({
      added: ['a.second'],
      removed: ['a.first'],
    });
  });
});

describe('finding a name without watching', () => {
  test('sees a file that was read while it was being written', () => {
    const path = write('first/a.b.service', 'a.b');
    writeFileSync(path, '');
    // Long enough ago for the directory to look as it does now.
    const past = new Date(Date.now() - 60_000);
    utimesSync(join(root, 'first'), past, past);
    catalog = new ServiceCatalog([at('first')]);
    catalog.load();
    expect(catalog.find('a.b')).toBeUndefined();
    write('first/a.b.service', 'a.b');
    expect(catalog.find('a.b')?.file).toBe(path);
  });

  test('sees files that were written, changed and removed a moment ago', () => {
    catalog = new ServiceCatalog([at('first', { watched: false })]);
    catalog.load();
    const changes: CatalogChange[] = [];
    catalog.changes.subscribe((change) => changes.push(change));
    expect(catalog.find('a.b')).toBeUndefined();
    const file = write('first/a.b.service', 'a.b');
    expect(catalog.find('a.b')?.exec).toBe('/bin/true');
    write('first/a.b.service', 'a.b', '/bin/longer');
    expect(catalog.find('a.b')?.exec).toBe('/bin/longer');
    unlinkSync(file);
    expect(catalog.find('a.b')).toBeUndefined();
    expect(changes).toEqual([
      { ...NO_CHANGE, added: ['a.b'] },
      { ...NO_CHANGE, changed: ['a.b'] },
      { ...NO_CHANGE, removed: ['a.b'] },
    ]);
  });
});

describe('watching', () => {
  /** Resolves when the catalog says by itself that a name came or went. */
  const notice = (list: 'added' | 'removed' | 'changed', name: string): Promise<CatalogChange> =>
    firstValueFrom(catalog.changes.pipe(filter((change) => change[list].includes(name))));

  test('notices files that come, change and go', async () => {
    catalog = new ServiceCatalog([at('first')]);
    catalog.load();
    catalog.watch();
    const added = notice('added', 'a.b');
    const file = write('first/a.b.service', 'a.b');
    expect(await added).toBeDefined();
    const changed = notice('changed', 'a.b');
    write('first/a.b.service', 'a.b', '/bin/other');
    expect(await changed).toBeDefined();
    const removed = notice('removed', 'a.b');
    unlinkSync(file);
    expect(await removed).toEqual({ ...NO_CHANGE, removed: ['a.b'] });
  });

  test('notices directories that come later, go away and come back', async () => {
    catalog = new ServiceCatalog([at('later/dbus-1/services')]);
    catalog.load();
    catalog.watch();
    for (const name of ['a.one', 'a.two']) {
      const added = notice('added', name);
      mkdirSync(join(root, 'later/dbus-1/services'), { recursive: true });
      write('later/dbus-1/services/x.service', name);
      expect(await added).toBeDefined();
      const removed = notice('removed', name);
      rmSync(join(root, 'later'), { recursive: true });
      expect(await removed).toBeDefined();
    }
  });

  test('notices a directory that is replaced by another', async () => {
    write('first/a.service', 'a.old');
    write('second/a.service', 'a.new');
    catalog = new ServiceCatalog([at('first')]);
    catalog.load();
    catalog.watch();
    const added = notice('added', 'a.new');
    renameSync(join(root, 'first'), join(root, 'aside'));
    renameSync(join(root, 'second'), join(root, 'first'));
    expect(await added).toBeDefined();
    const after = notice('added', 'a.after');
    write('first/b.service', 'a.after');
    expect(await after).toBeDefined();
    expect(catalog.names()).toEqual(['a.after', 'a.new']);
  });

  test('follows other directories after a reload', async () => {
    catalog = new ServiceCatalog([at('first')]);
    catalog.load();
    catalog.watch();
    catalog.reload([at('second')]);
    const added = notice('added', 'a.b');
    write('first/a.c.service', 'a.c');
    write('second/a.b.service', 'a.b');
    expect(await added).toBeDefined();
    expect(catalog.names()).toEqual(['a.b']);
  });
});

describe('the transient directory', () => {
  const transient = (): ServiceDirectory =>
    at('run/dbus-1/services', { strictNaming: true, watched: false, transient: true });

  test('is made by the bus, for nobody else', () => {
    mkdirSync(join(root, 'run'), { mode: 0o700 });
    catalog = new ServiceCatalog([transient()]);
    expect(catalog.load()).toEqual(NO_CHANGE);
    expect(statSync(join(root, 'run/dbus-1/services')).mode & 0o777).toBe(0o700);
  });

  test('is not made where there is no runtime directory', () => {
    catalog = new ServiceCatalog([transient()]);
    expect(catalog.load().diagnostics).toMatchObject([{ severity: 'warning' }]);
    expect(existsSync(join(root, 'run'))).toBe(false);
  });

  test('that others can write to is not used', () => {
    mkdirSync(join(root, 'run/dbus-1/services'), { recursive: true });
    write('run/dbus-1/services/a.b.service', 'a.b');
    chmodSync(join(root, 'run/dbus-1'), 0o770);
    catalog = new ServiceCatalog([transient()]);
    const { added, diagnostics } = catalog.load();
    expect(added).toEqual([]);
    expect(diagnostics).toMatchObject([{ severity: 'warning', file: join(root, 'run/dbus-1') }]);
    expect(diagnostics[0].message).toContain('writable by others (mode 770)');
  });
});
