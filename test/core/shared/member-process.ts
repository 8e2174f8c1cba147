import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

interface Answer {
  readonly number: number;
  readonly result?: unknown;
  readonly error?: Record<string, unknown>;
}

interface Waiting {
  readonly done: (result: unknown) => void;
  readonly fail: (error: Error) => void;
}

/** A process of a shared domain, driven by requests (see member.mjs). */
export class MemberProcess {
  readonly child: ChildProcess;
  private lastNumber = 0;
  private readonly waiting = new Map<number, Waiting>();

  constructor(script = 'member.mjs') {
    this.child = fork(fileURLToPath(new URL(script, import.meta.url)), { stdio: 'inherit' });
    this.child.on('message', (answer: Answer) => this.settle(answer));
    this.child.on('exit', (code, signal) => {
      for (const { fail } of this.waiting.values()) {
        fail(new Error(`the process ended: ${code ?? signal}`));
      }
      this.waiting.clear();
    });
  }

  get pid(): number {
    return this.child.pid!;
  }

  async request<T>(kind: string, fields: object = {}): Promise<T> {
    const number = ++this.lastNumber;
    const answered = new Promise<unknown>((done, fail) => this.waiting.set(number, { done, fail }));
    this.child.send({ number, kind, ...fields });
    return (await answered) as T;
  }

  /** Ends the process; done when it has ended. */
  async end(signal?: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    if (signal === undefined) this.child.disconnect();
    else this.child.kill(signal);
    await ended;
  }

  private settle({ number, result, error }: Answer): void {
    const { done, fail } = this.waiting.get(number)!;
    this.waiting.delete(number);
    if (error === undefined) done(result);
    else fail(Object.assign(new Error(String(error['message'])), error));
  }
}
