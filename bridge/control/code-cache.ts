import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { cachedDataVersionTag, setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

/** A program whose compiled code is not in the cache yet. */
interface Unsaved {
  readonly script: Script;
  readonly folder: string;
  readonly name: string;
}

/** Each file of dist/ contains a copy of this module: the copies share their state. */
const SHARED = Symbol.for('bus1-bridge.programs');

/** The global object, as the copies of this module see it. */
interface Realm {
  readonly globalThis: unknown;
  [SHARED]?: { readonly unsaved: Unsaved[]; readonly loaded: Map<string, object> };
}

const realm: Realm = globalThis;
const { unsaved, loaded } = (realm[SHARED] ??= { unsaved: [], loaded: new Map() });

/**
 * Runs one of the CommonJS files of dist/, and returns what it exports. Half of the time that a bus takes to start goes
 * into V8's compilation of its code, so the result is cached from one start to the next: see saveCode.
 */
export function loadProgram(file: string, require: NodeJS.Require): unknown {
  return loaded.get(file) ?? withInitialFlags(() => load(file, require));
}

function load(file: string, require: NodeJS.Require): unknown {
  const text = readFileSync(file, 'latin1');
  const folder = cacheFolder();
  const name = entryName(file, text);
  const cachedData = readCached(name, folder);
  const source = `(function(exports,require,module,__filename,__dirname){${text}\n})`;
  const script = new Script(source, { filename: file, cachedData });
  const isKept = cachedData !== undefined && script.cachedDataRejected === false;
  if (folder !== undefined && !isKept) unsaved.push({ script, folder, name });
  const module = { exports: {} };
  loaded.set(file, module.exports);
  script.runInThisContext()(module.exports, require, module, file, dirname(file));
  return module.exports;
}

/** Caches what V8 has compiled so far. Call it once a program has started, and the functions it needs have run. */
export function saveCode(): void {
  withInitialFlags(() => unsaved.splice(0).forEach(save));
}

function save({ script, folder, name }: Unsaved): void {
  const before = join(folder, `.${name}.${process.pid}`);
  try {
    writeFileSync(before, script.createCachedData(), { mode: modeOf(folder), flag: 'wx' });
    renameSync(before, join(folder, name));
    removeOlder(folder, name);
  } catch {
    // A full or read-only disk: the next start is as slow as this one.
    tryRemove(before);
  }
}

/**
 * V8 rejects code that was compiled with other flags: what is cached here, and what Node contains of its own modules.
 * On Node 24 a start would take a tenth more processor time. Flags hold for all threads: another may have set them.
 */
function withInitialFlags<T>(act: () => T): T {
  const before = cachedDataVersionTag();
  setFlags(INITIAL_FLAGS);
  const isRunning = cachedDataVersionTag() !== before;
  try {
    return act();
  } finally {
    if (isRunning) setRunningFlags();
  }
}

/**
 * Sets V8's flags for a program that runs for long: what it needs is loaded, and most of it has run. V8 resets some of
 * them when a thread starts.
 */
export function setRunningFlags(): void {
  setFlags(RUNNING_FLAGS);
}

interface Flags {
  /** By how much V8 enlarges the memory for new objects, which never shrinks again. */
  readonly semiSpaceGrowthFactor: number;
  /**
   * How much bytecode a function runs before V8 11 (Node 20) thinks of optimising it. A client that connects runs much
   * code, each part of it once: with the default it takes some thousand clients until most of it is optimised. A start
   * runs most of its code once and for all, and takes longer with less. Later versions of V8 count calls instead, and
   * have another compiler that comes before.
   */
  readonly interruptBudgetBytes: number;
}

/** What V8 has by default. */
const INITIAL_FLAGS: Flags = { semiSpaceGrowthFactor: 2, interruptBudgetBytes: 67_584 };
const RUNNING_FLAGS: Flags = { semiSpaceGrowthFactor: 1, interruptBudgetBytes: 20_000 };

function setFlags({ semiSpaceGrowthFactor, interruptBudgetBytes }: Flags): void {
  setFlagsFromString(`--semi-space-growth-factor=${semiSpaceGrowthFactor}`);
  if (process.versions.v8.startsWith('11.')) {
    setFlagsFromString(`--interrupt-budget=${interruptBudgetBytes}`);
  }
}

/** Fails where this process may not write any more: a bus that was started as root becomes another user. */
function tryRemove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It was not written either.
  }
}

/**
 * Contains the hash in the last line (packaging/bundle.mjs), so that code of another version is not used; and V8's tag
 * of its own version and flags, because V8 rejects code that it has made with other flags: those of a host's process.
 */
function entryName(file: string, text: string): string {
  const hash = text.slice(text.lastIndexOf('\n', text.length - 2) + 1).replace(/[^0-9a-f]/g, '');
  const tag = cachedDataVersionTag().toString(16);
  return `${programName(file)}-${process.version}-${process.arch}-${tag}-${hash}`;
}

function programName(file: string): string {
  return basename(file, '.cjs');
}

const OLD_MS = 7 * 24 * 3600 * 1000;

function removeOlder(folder: string, name: string): void {
  const same = name.slice(0, name.lastIndexOf('-') + 1);
  for (const other of readdirSync(folder)) {
    if (!other.startsWith(same) || other === name) continue;
    const path = join(folder, other);
    /* two versions that are both in use keep theirs */
    if (Date.now() - lstatSync(path).mtimeMs > OLD_MS) rmSync(path, { force: true });
  }
}

/**
 * The superuser's folder, which all may read: a system bus gives up its privileges before it loads its data plane. The
 * Debian package fills it.
 */
const SYSTEM_FOLDER = '/var/cache/bus1-bridge';

const modeOf = (folder: string): number => (folder === SYSTEM_FOLDER ? 0o644 : 0o600);

/** A user that can write here decides what this program runs: so the folder must be ours alone, or none is used. */
function cacheFolder(): string | undefined {
  const folder = process.geteuid?.() === 0 ? SYSTEM_FOLDER : homeFolder();
  if (folder === undefined) return undefined;
  try {
    if (isTrusted(folder)) return folder;
  } catch {
    try {
      mkdirSync(folder, { mode: folder === SYSTEM_FOLDER ? 0o755 : 0o700 });
      if (isTrusted(folder)) return folder;
    } catch {
      // There is no home, or it cannot be written.
    }
  }
  return undefined;
}

/** XDG Base Directory Specification. Not for the superuser, whose environment may be that of another user (sudo). */
function homeFolder(): string | undefined {
  const { XDG_CACHE_HOME: named, HOME: home } = process.env;
  if (named !== undefined && isAbsolute(named)) return join(named, 'bus1-bridge');
  return home !== undefined && isAbsolute(home) ? join(home, '.cache/bus1-bridge') : undefined;
}

/** @throws Error if the folder cannot be inspected */
function isTrusted(folder: string): boolean {
  const stat = lstatSync(folder);
  const [owner, others] = folder === SYSTEM_FOLDER ? [0, 0o022] : [process.geteuid?.(), 0o077];
  return stat.isDirectory() && stat.uid === owner && (stat.mode & others) === 0;
}

/** What is cached in the user's own folder; or in the superuser's, if the user has none. */
function readCached(name: string, own: string | undefined): Buffer | undefined {
  if (own !== undefined) return readEntry(join(own, name));
  try {
    return isTrusted(SYSTEM_FOLDER) ? readEntry(join(SYSTEM_FOLDER, name), 0) : undefined;
  } catch {
    return undefined;
  }
}

function readEntry(path: string, owner = process.geteuid?.()): Buffer | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stat = fstatSync(fd);
    return stat.isFile() && stat.uid === owner ? readFileSync(fd) : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}
