import { Access, accessRule, messageRule, NameRules, type NameRule } from './name-rules.js';

/** The interface through which a bridge is asked to serve the clients of a socket itself. */
export const SANDBOX_INTERFACE = 'org.bus1.Sandbox';

/** What a client may see and do. */
export interface FilterOptions {
  readonly filter: boolean;
  readonly sloppyNames: boolean;
  readonly rules: NameRules;
  /** the reason in errors about names that the client sees but may not use; absent: as xdg-dbus-proxy words it */
  readonly denial?: { readonly why: string; readonly rule: string } | undefined;
}

/** One ADDRESS PATH pair of the command line, with the options behind it. */
export interface ProxyOptions extends FilterOptions {
  readonly address: string;
  readonly path: string;
  readonly log: boolean;
  /** the options as they were given */
  readonly words: readonly string[];
}

export interface SandboxArguments {
  readonly proxies: readonly ProxyOptions[];
  /** signals that the proxies are ready; when its other end is closed, they end */
  readonly readyFd: number | undefined;
  readonly show: 'help' | 'version' | undefined;
}

/** The command line is not valid. */
export class ArgumentError extends Error {
  readonly code = 'bad-argument';

  constructor(message: string) {
    super(message);
    this.name = 'ArgumentError';
  }
}

interface MutableFilter {
  filter: boolean;
  log: boolean;
  sloppyNames: boolean;
  readonly rules: NameRule[];
  readonly words: string[];
}

/** Reads the options behind one ADDRESS PATH pair. @throws ArgumentError */
export function parseFilter(words: readonly string[]): FilterOptions & { readonly log: boolean } {
  const filter = newFilter();
  for (const word of words) {
    if (!takeOption(filter, word)) throw new ArgumentError(`Unknown argument ${word}`);
  }
  return finished(filter);
}

function newFilter(): MutableFilter {
  return { filter: false, log: false, sloppyNames: false, rules: [], words: [] };
}

function finished<T extends MutableFilter>(filter: T): Omit<T, 'rules'> & { rules: NameRules } {
  return { ...filter, rules: new NameRules(filter.rules) };
}

/**
 * Reads xdg-dbus-proxy's command line; `readArguments` returns all that can be read from the descriptor of `--args`.
 * @throws ArgumentError
 */
export function parseSandboxArguments(
  words: readonly string[],
  readArguments: (fd: number) => string,
): SandboxArguments {
  const parser = new Parser(readArguments);
  parser.take(words);
  return parser.result();
}

class Parser {
  private readonly readArguments: (fd: number) => string;
  private readonly proxies: (MutableFilter & { address: string; path: string })[] = [];
  private address: string | undefined;
  private readyFd: number | undefined;
  private show: SandboxArguments['show'];

  constructor(readArguments: (fd: number) => string) {
    this.readArguments = readArguments;
  }

  take(words: readonly string[]): void {
    for (const word of words) {
      if (this.show !== undefined) return;
      if (this.address !== undefined) this.begin(this.address, word);
      else if (word.startsWith('-')) this.option(word);
      else this.address = word;
    }
  }

  result(): SandboxArguments {
    const { show, readyFd } = this;
    if (this.address !== undefined && show === undefined)
      throw new ArgumentError('No socket path given');
    const proxies = this.proxies.map((each) => finished(each));
    if (proxies.length === 0 && show === undefined) {
      throw new ArgumentError('no bus given: expected ADDRESS PATH [OPTION...]');
    }
    return { proxies, readyFd, show };
  }

  private begin(address: string, path: string): void {
    this.proxies.push({ address, path, ...newFilter() });
    this.address = undefined;
  }

  private option(word: string): void {
    if (this.generalOption(...split(word))) return;
    const proxy = this.proxies.at(-1);
    if (proxy === undefined || !takeOption(proxy, word)) {
      throw new ArgumentError(`Unknown argument ${word}`);
    }
  }

  private generalOption(name: string, value: string | undefined): boolean {
    if (name === '--help' || name === '--version') {
      this.show = name === '--help' ? 'help' : 'version';
    } else if (name === '--fd' && value !== undefined) {
      this.readyFd = descriptor(value, `Invalid fd ${value}`);
    } else if (name === '--args' && value !== undefined) {
      const fd = descriptor(value, `Invalid --args fd ${value}`);
      const texts = this.readArguments(fd).split('\0');
      if (texts.at(-1) === '') texts.pop();
      this.take(texts);
    } else return false;
    return true;
  }
}

const ACCESS_OPTIONS: ReadonlyMap<string, Access> = new Map([
  ['--see', Access.See],
  ['--talk', Access.Talk],
  ['--own', Access.Own],
]);

function takeOption(proxy: MutableFilter, word: string): boolean {
  proxy.words.push(word);
  const [name, value] = split(word);
  if (value === undefined) {
    if (name === '--filter') proxy.filter = true;
    else if (name === '--log') proxy.log = true;
    else if (name === '--sloppy-names') proxy.sloppyNames = true;
    else return false;
    return true;
  }
  const access = ACCESS_OPTIONS.get(name);
  if (access !== undefined) {
    proxy.rules.push(accessRule(value, access) ?? bad(`'${value}' is not a valid dbus name`));
  } else if (name === '--call' || name === '--broadcast') {
    const kind = name === '--call' ? 'call' : 'broadcast';
    proxy.rules.push(messageRule(value, kind) ?? bad(`'${value}' is not a valid name + rule`));
  } else return false;
  return true;
}

/** `--NAME` or `--NAME=VALUE`. */
function split(word: string): [name: string, value: string | undefined] {
  const equals = word.indexOf('=');
  return equals < 0 ? [word, undefined] : [word.slice(0, equals), word.slice(equals + 1)];
}

function bad(message: string): never {
  throw new ArgumentError(message);
}

function descriptor(text: string, message: string): number {
  if (!/^\d+$/u.test(text)) bad(message);
  return Number(text);
}
