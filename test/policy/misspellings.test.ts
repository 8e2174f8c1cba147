// What one mistake in one file does to a bus: the same as to dbus-daemon. A file applies as a whole or not at all.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { nodePolicyIo, readConfig } from '#policy/index.js';
import { busCommand, openFolder } from '../support/bus-command.js';
import { callBus, connect } from '../support/names.js';
import { describeWith, needs } from '../support/software.js';
import { start } from '../support/process.js';
import { misspellings, type Misspelling } from './misspellings.js';

const DAEMON = ['dbus-daemon'];
const ID_KINDS = ['user', 'group'];

/** Files that are read together. */
const AT_ONCE = 64;

const marker = (index: number): string => `org.example.Marker${index}`;

/** If it applies, nobody can own the name. */
function markedFile(text: string, name: string): string {
  const mark = `<policy context="mandatory"><deny own="${name}"/></policy>`;
  return `<busconfig>${text}${mark}</busconfig>`;
}

/** Lets the test talk to the bus, whatever the file says. */
const TYPES = ['method_call', 'method_return', 'error', 'signal'];
const SCAFFOLD = `<policy context="mandatory">
  ${TYPES.map((type) => `<allow send_type="${type}"/><allow receive_type="${type}"/>`).join('\n')}
</policy>`;
const OPEN = `<policy context="default"><allow user="*"/></policy>
  <policy context="mandatory"><allow own_prefix="org.example"/></policy>`;

/** dbus-daemon takes no notice of numbers without an account, nor of the bits above the 32nd. */
const DIFFERENT = new Set(
  ID_KINDS.flatMap((kind) =>
    ['99999', '4294967296'].flatMap((id) =>
      ['user="root"', 'user="*"', 'group="root"'].map(
        (rule) => `<policy ${kind}="${id}"><deny ${rule}/>`,
      ),
    ),
  ),
);

/** dbus-daemon gives up the including file if something other than its absence is wrong with the other. */
for (const path of ['/', '/dev/null']) {
  DIFFERENT.add(`<include ignore_missing="yes">${path}</include>`);
}

const cases = misspellings().filter(({ name }) => !DIFFERENT.has(name));

function mainConfig(folder: string, more: string): string {
  const file = join(folder, 'bus.conf');
  const listen = `<listen>unix:path=${folder}/bus</listen><auth>EXTERNAL</auth>`;
  writeFileSync(
    file,
    `<busconfig><type>session</type>${listen}${OPEN}${more}${SCAFFOLD}</busconfig>`,
  );
  return file;
}

/** Puts the files into an <includedir> of a running bus: which of them apply then. */
async function afterReload(
  command: readonly string[],
  texts: readonly Misspelling[],
): Promise<string[]> {
  const folder = openFolder('misspellings-');
  mkdirSync(join(folder, 'd'));
  const file = mainConfig(folder, '<includedir>d</includedir>');
  const [program, ...words] = [...command, `--config-file=${file}`, '--nofork', '--print-address'];
  const daemon = start(program, words);
  onTestFinished(() => daemon.kill('SIGKILL'));
  const bus = await connect(await daemon.waitForLine(/^unix/));
  onTestFinished(() => bus.disconnect());
  const tryTo = async (member: string, signature: string, body: unknown[]): Promise<string> => {
    try {
      await callBus(bus, member, signature, body);
      return 'ok';
    } catch (error) {
      return error instanceof Error && 'type' in error ? String(error.type) : String(error);
    }
  };
  const outcomes: string[] = [];
  for (let from = 0; from < texts.length; from += AT_ONCE) {
    const batch = texts.slice(from, from + AT_ONCE);
    for (const [index, { text }] of batch.entries()) {
      writeFileSync(join(folder, `d/${index}.conf`), markedFile(text, marker(index)));
    }
    const reloaded = await tryTo('ReloadConfig', '', []);
    if (reloaded !== 'ok') throw new Error(reloaded);
    for (const [index, { name }] of batch.entries()) {
      const owned = await tryTo('RequestName', 'su', [marker(index), 0]);
      if (owned === 'ok') await tryTo('ReleaseName', 's', [marker(index)]);
      const outcome = owned === 'ok' ? 'is skipped' : owned;
      outcomes.push(`${name} ${outcome.endsWith('AccessDenied') ? 'applies' : outcome}`);
    }
  }
  return outcomes;
}

function differences(ours: readonly string[], theirs: readonly string[]): string[] {
  return ours.flatMap((line, index) =>
    line === theirs[index] ? [] : [`here ${line}\n  dbus-daemon ${theirs[index]}`],
  );
}

describeWith([needs('dbus-daemon', 'dbus-daemon')], 'a file with one mistake', () => {
  test(
    `applies after a reload if it does in dbus-daemon: ${cases.length} files`,
    { timeout: 300_000 },
    async () => {
      const [ours, theirs] = await Promise.all([
        afterReload(busCommand(), cases),
        afterReload(DAEMON, cases),
      ]);
      expect(differences(ours, theirs)).toEqual([]);
      const applying = cases.filter((_, index) => theirs[index].endsWith(' applies'));
      // Both kinds are there, or the comparison would say nothing.
      expect(applying.length).toBeGreaterThan(1000);
      expect(cases.length - applying.length).toBeGreaterThan(1000);
      // Both kinds are there, or the comparison would say nothing.
      expect(applying.length).toBeGreaterThan(500);
      expect(cases.length - applying.length).toBeGreaterThan(500);
      expect(readableAsMain(cases)).toEqual(applying.map(({ name }) => name));
    },
  );

  const starts = cases.filter(({ name }) => STARTED.includes(name));
  test.each(starts)('as the main file: $name', async ({ text }) => {
    const [ours, theirs] = await Promise.all([
      startsWith(busCommand(), text),
      startsWith(DAEMON, text),
    ]);
    expect(ours).toBe(theirs);
  });
});

/** The names of those with which a bus would start, or go on with a reload. */
function readableAsMain(texts: readonly Misspelling[]): string[] {
  const lookUp = (name: string): number | undefined => (name === 'root' ? 0 : undefined);
  const io = nodePolicyIo({ lookupUser: lookUp, lookupGroup: lookUp });
  return texts.flatMap(({ name, text }) => {
    const xml = markedFile(text, marker(0));
    const readFile: typeof io.readFile = (path) => (path === '/c.conf' ? xml : io.readFile(path));
    return readConfig('/c.conf', { ...io, readFile }).ok ? [name] : [];
  });
}

const STARTED = [
  '<deny send_type="method-call"/>',
  '<allow send_type="method-call"/>',
  '<deny min_fds="one" send_destination="a.B"/>',
  '<deny min_fds="1k" send_destination="a.B"/>',
  '<deny sends_destination="a.B"/>',
  '<policy context="Default">',
  '<limit name="max_cats">1</limit>',
  '<limit name="auth_timeout">1k</limit>',
];

/** Whether a bus with this in its main file starts, or refuses in one line. */
async function startsWith(command: readonly string[], text: string): Promise<string> {
  const file = mainConfig(openFolder('misspellings-'), text);
  const [program, ...words] = [...command, `--config-file=${file}`, '--nofork', '--print-address'];
  const daemon = start(program, words);
  onTestFinished(() => daemon.kill('SIGKILL'));
  const refused = daemon.ended.then(
    ({ code }) => `refuses: ${code === 0 ? 'status 0' : 'a status'}`,
  );
  return Promise.race([
    daemon.waitForLine(/^unix/).then(
      () => 'starts',
      () => refused,
    ),
    refused,
  ]);
}
