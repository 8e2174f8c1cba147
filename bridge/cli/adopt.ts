import { readdirSync, renameSync, rmSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeDirectories } from '#bridge/control/make-directory.js';
import { readFileText } from '#bridge/control/file-text.js';
import { errnoOf } from '#bridge/control/startup-error.js';
import { checkAdoption, type AdoptionFinding } from './adopt-check.js';
import { daemonCommand, execStart } from './adopt-command.js';
import { userUnits } from './adopt-units.js';
import { UsageError } from './usage-error.js';

export interface AdoptOptions {
  readonly system?: true;
  readonly user?: true;
  readonly attach?: readonly string[];
  readonly back?: true;
  readonly check?: true;
  readonly force?: true;
  readonly json?: true;
  readonly root: string;
}

/** What can be adopted: each is one file of systemd's configuration. */
export type Place = 'system' | 'user' | 'attach';

interface DropIn {
  readonly place: Place;
  readonly path: string;
  readonly text: string;
}

/** Files that do not begin with this line were not written by this command, and are left alone. */
const MARK = '# Written by bus1-bridge adopt; "bus1-bridge adopt --back" removes it.\n';

const TAKES_EFFECT: Readonly<Record<Place, string>> = {
  system: 'the system bus changes at the next boot',
  user: 'the bus of a user changes at the next login after all sessions of that user have ended',
  attach:
    'the attached bus listens after: systemctl --user daemon-reload && ' +
    'systemctl --user enable --now bus1-bridge-attach.socket',
};

const DAEMON_OPTIONS = '--address=systemd: --nofork --nopidfile --systemd-activation --syslog-only';

/** What has become of a file. */
interface FileReport {
  readonly path: string;
  readonly state: 'written' | 'unchanged' | 'removed' | 'absent';
}

export interface AdoptReport {
  /** of the process */
  readonly status: number;
  readonly findings: readonly AdoptionFinding[];
  readonly files: readonly FileReport[];
}

/** Carries `adopt` out. */
export function adopt(options: AdoptOptions, say: (text: string) => void): AdoptReport {
  if (options.root === '') throw new UsageError('--root needs a directory', 'adopt');
  if (options.back === true && options.check === true) {
    throw new UsageError('give only one of --check and --back', 'adopt');
  }
  const places = placesOf(options);
  if (options.back === true) {
    const files = places.map((place) => takeBack(pathOf(place, options.root), place, say));
    return { status: 0, findings: [], files };
  }
  const findings = checkAdoption(places, options.root);
  for (const finding of findings) say(findingText(finding));
  const hasErrors = findings.some(({ severity }) => severity === 'error');
  if (options.check === true) {
    if (findings.length === 0) say('no problems found');
    return { status: hasErrors ? 1 : 0, findings, files: [] };
  }
  if (hasErrors && options.force !== true) {
    say('nothing was written: correct the errors, or give --force');
    return { status: 1, findings, files: [] };
  }
  return { status: 0, findings, files: places.map((place) => put(dropIn(place, options), say)) };
}

/** The chosen places; by default everything that this user may change. */
function placesOf(options: AdoptOptions): Place[] {
  const asked: Place[] = [];
  if (options.system === true) asked.push('system');
  if (options.user === true) asked.push('user');
  if (options.attach !== undefined) asked.push('attach');
  if (options.attach !== undefined && options.user === true) {
    throw new UsageError(
      '--attach leaves the bus of the user as it is: give either --user or --attach',
    );
  }
  if (asked.length > 0) return asked;
  const mine: Place[] = process.getuid?.() === 0 ? ['system', 'user'] : ['user'];
  return options.back === true ? [...mine, 'attach'] : mine;
}

function pathOf(place: Place, root: string): string {
  if (place === 'system')
    return join(root, 'etc/systemd/system/dbus.service.d/50-bus1-bridge.conf');
  const unit = place === 'user' ? 'dbus.service.d' : 'bus1-bridge-attach.service.d';
  return join(userUnits(root), unit, '50-bus1-bridge.conf');
}

function dropIn(place: Place, options: AdoptOptions): DropIn {
  const path = pathOf(place, options.root);
  if (place === 'attach') {
    const names = options.attach?.map((name) => `--import ${checkedPattern(name)}`) ?? [];
    const lines = ['[Service]', `Environment="BUS1_ATTACH=${names.join(' ')}"`];
    return { place, path, text: `${MARK}${lines.join('\n')}\n` };
  }
  const kind = place === 'system' ? '--system' : '--session';
  const command = `${execStart(daemonCommand(options.root))} ${kind} ${DAEMON_OPTIONS}`;
  return { place, path, text: `${MARK}[Service]\nExecStart=\nExecStart=${command}\n` };
}

/** A name, a name and `.*`, or `*`: nothing that systemd or a shell would read in another way. */
function checkedPattern(pattern: string): string {
  if (/^(?:\*|[A-Za-z_-][\w-]*(?:\.[A-Za-z_-][\w-]*)+(?:\.\*)?)$/.test(pattern)) return pattern;
  throw new UsageError(`"${pattern}" is neither a bus name nor a pattern such as org.example.*`);
}

function put({ place, path, text }: DropIn, say: (text: string) => void): FileReport {
  const present = readOrUndefined(path);
  if (present === text) {
    say(`${path} is already in place; ${TAKES_EFFECT[place]}`);
    return { path, state: 'unchanged' };
  }
  if (present !== undefined && !present.startsWith(MARK)) {
    throw new UsageError(`${path} was not written by bus1-bridge: remove it first`);
  }
  say(`${path}:\n${text.replace(/^(?=.)/gm, '    ')}`);
  makeDirectories(dirname(path));
  // Written as a whole or not at all, even if interrupted: systemd ignores files with another ending.
  const temporary = `${path}.new`;
  writeFileSync(temporary, text, { mode: 0o644, flush: true });
  renameSync(temporary, path);
  say(`written; ${TAKES_EFFECT[place]}. Running buses are not affected.`);
  return { path, state: 'written' };
}

function takeBack(path: string, place: Place, say: (text: string) => void): FileReport {
  const present = readOrUndefined(path);
  rmSync(`${path}.new`, { force: true });
  if (present !== undefined && !present.startsWith(MARK)) {
    throw new UsageError(`${path} was not written by bus1-bridge: not removed`);
  }
  if (present === undefined) {
    say(`${path} does not exist: nothing to remove`);
    return { path, state: 'absent' };
  }
  rmSync(path);
  if (readdirSync(dirname(path)).length === 0) rmdirSync(dirname(path));
  const when = place === 'system' ? 'the next boot' : 'the next login';
  say(`removed ${path}; this takes effect at ${when}`);
  return { path, state: 'removed' };
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileText(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function findingText({ severity, text }: AdoptionFinding): string {
  return `${severity}: ${text}`;
}
