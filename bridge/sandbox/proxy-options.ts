import { Access, accessRule, messageRule, NameRules, type NameRule } from './name-rules.js';

/** One ADDRESS PATH pair of the command line, with the options behind it. */
export interface ProxyOptions {
  readonly address: string;
  readonly path: string;
  readonly filter: boolean;
  readonly log: boolean;
  readonly sloppyNames: boolean;
  readonly rules: NameRules;
}

export interface SandboxArguments {
  readonly proxies: readonly ProxyOptions[];
  /** says that the proxies are ready, and ends them when it is closed */
  readonly readyFd: number | undefined;
  readonly show: 'help' | 'version' | undefined;
}

/** A command line that makes no sense. */
export class ArgumentError extends Error {
  readonly code = 'bad-argument';

  constructor(message: string) {
    super(message);
    this.name = 'ArgumentError';
  }
}

type MutableProxy = { -readonly [Key in keyof Omit<ProxyOptions, 'rules'>]: ProxyOptions[Key] } & {
  rules: NameRule[];
};

/**
 * Reads xdg-dbus-proxy's command line; `readArguments` returns what there is to read from the descriptor of `--args`.
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
  private readonly proxies: MutableProxy[] = [];
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
    const proxies = this.proxies.map((each) => ({ ...each, rules: new NameRules(each.rules) }));
    if (proxies.length === 0 && show === undefined) {
      throw new ArgumentError('name a bus and a socket: ADDRESS PATH, with options behind them');
    }
    return { proxies, readyFd, show };
  }

  private begin(address: string, path: string): void {
    const options = { filter: false, log: false, sloppyNames: false, rules: [] };
    this.proxies.push({ address, path, ...options });
    this.address = undefined;
  }

  private option(word: string): void {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const value = equals < 0 ? undefined : word.slice(equals + 1);
    if (this.generalOption(name, value)) return;
    const proxy = this.proxies.at(-1);
    if (proxy === undefined || !proxyOption(proxy, name, value)) {
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

const ACCESS_OPTIONS: Readonly<Record<string, Access>> = {
  '--see': Access.See,
  '--talk': Access.Talk,
  '--own': Access.Own,
};

function proxyOption(proxy: MutableProxy, name: string, value: string | undefined): boolean {
  if (value === undefined) {
    if (name === '--filter') proxy.filter = true;
    else if (name === '--log') proxy.log = true;
    else if (name === '--sloppy-names') proxy.sloppyNames = true;
    else return false;
    return true;
  }
  if (Object.hasOwn(ACCESS_OPTIONS, name)) {
    proxy.rules.push(
      accessRule(value, ACCESS_OPTIONS[name]) ?? bad(`'${value}' is not a valid dbus name`),
    );
  } else if (name === '--call' || name === '--broadcast') {
    const kind = name === '--call' ? 'call' : 'broadcast';
    proxy.rules.push(messageRule(value, kind) ?? bad(`'${value}' is not a valid name + rule`));
  } else return false;
  return true;
}

function bad(message: string): never {
  throw new ArgumentError(message);
}

function descriptor(text: string, message: string): number {
  if (!/^\d+$/u.test(text)) bad(message);
  return Number(text);
}
