// Manual pages and completions say what the programs accept: they are made of the same definitions.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { parseDaemonArguments } from '#bridge/cli/daemon-arguments.js';
import { ROOT } from '../support/bus-command.js';

const run = promisify(execFile);
const BRIDGE = join(ROOT, 'dist/bridge/cli/bus1-bridge.js');
/** Not compiled: it makes what is packaged, and is no part of that. */
const source: { manual(): [path: string, text: string][] } = await import(
  join(ROOT, 'packaging/manual.mjs')
);
const TEXTS = new Map(source.manual());
const PAGES = [...TEXTS].filter(([path]) => path.startsWith('man/'));
const folder = mkdtempSync(join(tmpdir(), 'bus1-manual-'));

afterAll(() => rmSync(folder, { recursive: true }));

/** The long options of a text, however it is marked up. */
const longOptions = (text: string): Set<string> =>
  new Set(text.replaceAll('\\-', '-').match(/--[a-z][\w-]*/g));

describe('manual pages', () => {
  test.each(PAGES)('%s renders without a warning', (path, text) => {
    const file = join(folder, basename(path));
    writeFileSync(file, text);
    const groff = ['-ww', '-man', '-Tutf8', '-z', file];
    expect(
      execFileSync('sh', ['-c', 'exec groff "$@" 2>&1', 'sh', ...groff], { encoding: 'utf8' }),
    ).toBe('');
  });

  test('there is one for each command, with all that --help has', async () => {
    const { stdout } = await run(process.execPath, [BRIDGE, '--help']);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) .*/gm)].map(([, name]) => name);
    expect(commands).toContain('run');
    for (const command of commands.filter((one) => one !== 'help')) {
      const page = TEXTS.get(`man/man1/bus1-bridge-${command}.1`);
      const help = await run(process.execPath, [BRIDGE, command, '--help']);
      expect([...longOptions(page!)]).toEqual(
        expect.arrayContaining([...longOptions(help.stdout)]),
      );
    }
  });

  test('npm install -g links all of them', () => {
    const pages = PAGES.map(([path]) => `share/${path}`);
    const { man } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(man.toSorted()).toEqual(pages.toSorted());
  });

  test('bus1-dbus-daemon accepts what its page has', () => {
    const options = longOptions(TEXTS.get('man/man1/bus1-dbus-daemon.1')!);
    expect(options.size).toBeGreaterThan(15);
    for (const option of options) {
      const value = /^--(?:config-file|address|log-level)$/.test(option) ? ['x'] : [];
      expect(() => parseDaemonArguments(['--version', option, ...value])).not.toThrow();
    }
  });
});

describe('completions', () => {
  const complete = (...words: string[]): string[] => {
    const file = join(folder, 'completions');
    writeFileSync(file, TEXTS.get('bash-completion/completions/bus1-bridge')!);
    const script = `. ${file}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
      case $1 in bus1-bridge) _bus1_bridge;; *) _bus1_dbus_daemon;; esac; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' })
      .trim()
      .split('\n');
  };

  test.each([
    [['bus1-bridge', 'at'], ['attach']],
    [['bus1-bridge', 'run', '--ho'], ['--hosts']],
    [['bus1-bridge', 'adopt', '--ba'], ['--back']],
    [
      ['bus1-dbus-daemon', '--sys'],
      ['--system', '--syslog', '--syslog-only', '--systemd-activation'],
    ],
  ])('%j', (words, offered) => {
    expect(complete(...words).toSorted()).toEqual(offered.toSorted());
  });
});
