import { type ChildProcess, spawn } from 'node:child_process';

export type Environment = Record<string, string | undefined>;

export interface RunOptions {
  env?: Environment | undefined;
  /** Written to standard input, which is then closed. */
  input?: string | Uint8Array | undefined;
  cwd?: string | undefined;
  /** A program that runs longer is killed, and the promise rejects. */
  timeoutMs?: number | undefined;
}

export interface RunResult {
  /** The exit status; -1 when a signal ended the program. */
  code: number;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

type Stream = 'stdout' | 'stderr';

const DEFAULT_TIMEOUT_MS = 50_000;

/** A test has 120 s: one that waits for what never comes shows what has come instead. */
const WAIT_MAX_MS = 100_000;

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Makes sure that `child` does not outlive the test process. */
export function killAtExit(child: ChildProcess): void {
  running.add(child);
  child.once('exit', () => running.delete(child));
}

/** Runs a program to its end and collects what it printed. Any exit status is a result. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const program = start(command, args, options);
  program.end(options.input);
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    program.kill('SIGKILL');
  }, timeoutMs);
  const result = await program.ended;
  clearTimeout(timer);
  if (timedOut) {
    throw new Error(`${program.title} did not end within ${timeoutMs} ms\n${result.stderr}`);
  }
  return result;
}

/** Like run(), but throws unless the program exits with 0. Returns its standard output. */
export async function output(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await run(command, args, options);
  if (result.code !== 0) {
    const how = result.signal ?? `exit status ${result.code}`;
    throw new Error(`${command} ${args.join(' ')}: ${how}\n${result.stdout}${result.stderr}`);
  }
  return result.stdout;
}

/** Starts a program that is meant to go on; await its lines, then stop it. */
export function start(
  command: string,
  args: readonly string[],
  options: Pick<RunOptions, 'env' | 'cwd'> = {},
): Program {
  const child = spawn(command, args, { env: options.env ?? process.env, cwd: options.cwd });
  return new Program(child, [command, ...args].join(' '));
}

/** A running program: its output line by line, and its end. */
export class Program {
  readonly title: string;
  readonly ended: Promise<RunResult>;
  readonly #child: ChildProcess;
  readonly #text: Record<Stream, string> = { stdout: '', stderr: '' };
  /** Up to where waitForLine() has already looked. */
  readonly #seen: Record<Stream, number> = { stdout: 0, stderr: 0 };
  #finished = false;
  #wake: () => void = () => {};

  constructor(child: ChildProcess, title: string) {
    this.#child = child;
    this.title = title;
    killAtExit(child);
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]!.setEncoding('utf8').on('data', (text: string) => {
        this.#text[stream] += text;
        this.#wake();
      });
    }
    // A program may end without reading its input, which is not an error of the test.
    child.stdin!.on('error', () => {});
    this.ended = this.#end();
    // Whoever awaits `ended` gets the error; whoever does not must not crash the test process.
    this.ended.catch(() => {});
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get stdout(): string {
    return this.#text.stdout;
  }

  get stderr(): string {
    return this.#text.stderr;
  }

  /** Writes to standard input and closes it. */
  end(input: string | Uint8Array = ''): void {
    this.#child.stdin!.end(input);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends SIGTERM and awaits the end. */
  async stop(): Promise<RunResult> {
    this.kill('SIGTERM');
    return this.ended;
  }

  /**
   * Resolves with the next line that matches, looking on after the line that the last call found.
   * Rejects if the program ends without printing one.
   */
  waitForLine(pattern: RegExp, stream: Stream = 'stdout'): Promise<string> {
    return this.#waitFor(pattern, () => this.#nextLine(pattern, stream));
  }

  /** Resolves once the whole output so far matches: for output that has no lines. */
  waitForText(pattern: RegExp, stream: Stream = 'stdout'): Promise<string> {
    return this.#waitFor(pattern, () => pattern.exec(this.#text[stream])?.[0]);
  }

  /** One wait at a time: a second one would take the wake-up from the first. */
  async #waitFor(pattern: RegExp, find: () => string | undefined): Promise<string> {
    const endMs = performance.now() + WAIT_MAX_MS;
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (this.#finished) {
        throw new Error(`${this.title} ended without ${pattern}\n${this.#everything()}`);
      }
      if (!(await this.#woken(endMs - performance.now()))) {
        throw new Error(`${this.title} is still without ${pattern}\n${this.#everything()}`);
      }
    }
  }

  #nextLine(pattern: RegExp, stream: Stream): string | undefined {
    const text = this.#text[stream];
    for (;;) {
      const from = this.#seen[stream];
      const to = text.indexOf('\n', from);
      if (to < 0) return undefined;
      this.#seen[stream] = to + 1;
      const line = text.slice(from, to);
      if (pattern.test(line)) return line;
    }
  }

  /** Whether more output, or the end, has come within this time. */
  #woken(timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  #everything(): string {
    return `--- stdout\n${this.stdout}--- stderr\n${this.stderr}`;
  }

  #end(): Promise<RunResult> {
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        this.#finished = true;
        this.#wake();
        settle();
      };
      this.#child.once('error', (error) => finish(() => reject(error)));
      this.#child.once('close', (code, signal) => {
        const { stdout, stderr } = this;
        finish(() => resolve({ code: code ?? -1, signal, stdout, stderr }));
      });
    });
  }
}

/** Resolves when a process that is not our child is gone. */
export async function processGone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}
