import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

const STOP_TIMEOUT_MS = 3000;
const STDERR_KEPT_CHARS = 2000;

export interface ChildOptions {
  env?: NodeJS.ProcessEnv;
  /** Descriptors that the child gets as 3, 4, … */
  fds?: readonly number[];
}

interface Waiter {
  resolve: (line: string) => void;
  reject: (error: Error) => void;
}

const running = new Set<Child>();

/** Ends every child at once; for an exit that cannot wait. */
export function killChildren(): void {
  for (const child of running) child.kill();
}

/** A process that we have started: lines in, lines out, and a reliable end. */
export class Child {
  readonly title: string;
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #lines: string[] = [];
  #waiter: Waiter | undefined;
  #stderr = '';
  #failure: Error | undefined;

  constructor(title: string, command: string, args: readonly string[], options: ChildOptions = {}) {
    this.title = title;
    this.#process = spawn(command, args, {
      stdio: ['pipe', 'pipe', 'pipe', ...(options.fds ?? [])],
      env: options.env ?? process.env,
    });
    this.#exited = new Promise((resolve) => {
      this.#process.once('error', (error) => {
        this.#fail(error.message);
        resolve();
      });
      this.#process.once('close', (code, signal) => {
        running.delete(this);
        this.#fail(`ended with ${signal ?? `status ${code}`}`);
        resolve();
      });
    });
    this.#listen();
    running.add(this);
  }

  /** undefined when it could not be started */
  get pid(): number | undefined {
    return this.#process.pid;
  }

  writeLine(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  /** The next line of its output. Rejects when it ends first, or after `timeoutMs`. */
  async readLine(timeoutMs: number): Promise<string> {
    return this.#lines.shift() ?? this.#wait(timeoutMs);
  }

  /** Resolves with the beginning of its output, whether or not a line ends there. Right after the start. */
  async awaitOutput(timeoutMs: number): Promise<void> {
    this.#process.stdout?.once('data', () => this.#takeWaiter()?.resolve(''));
    await this.#wait(timeoutMs);
  }

  /** Sends SIGTERM, and SIGKILL to a process that ignores it. Resolves when the process has gone. */
  async stop(): Promise<void> {
    this.#process.kill('SIGTERM');
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  async #wait(timeoutMs: number): Promise<string> {
    if (this.#failure !== undefined) throw this.#failure;
    const timer = setTimeout(() => this.#fail(`no output for ${timeoutMs} ms`), timeoutMs);
    try {
      return await new Promise<string>((resolve, reject) => {
        this.#waiter = { resolve, reject };
      });
    } finally {
      clearTimeout(timer);
    }
  }

  #takeWaiter(): Waiter | undefined {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    return waiter;
  }

  #listen(): void {
    const { stdin, stdout, stderr } = this.#process;
    stdin?.on('error', () => undefined); // it has ended: readLine reports that
    stderr?.on('data', (text: Buffer) => {
      this.#stderr = (this.#stderr + text.toString()).slice(-STDERR_KEPT_CHARS);
    });
    if (stdout === null) return;
    createInterface({ input: stdout }).on('line', (line) => {
      const waiter = this.#takeWaiter();
      if (waiter === undefined) this.#lines.push(line);
      else waiter.resolve(line);
    });
  }

  #fail(reason: string): void {
    const said = this.#stderr.trim();
    this.#failure ??= new Error(`${this.title}: ${reason}${said === '' ? '' : `: ${said}`}`);
    this.#takeWaiter()?.reject(this.#failure);
  }
}
