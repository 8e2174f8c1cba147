import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { killAtExit } from '../support/process.js';

export interface CallResult {
  readonly made: number;
  readonly lost: number;
  /** what a call that was lost ended with */
  readonly error: string;
  readonly ns: number;
}

interface Answer {
  readonly ready?: string;
  readonly result?: CallResult;
  readonly resolved?: string;
  readonly closed?: string;
}

export type PeerKind = 'legacy' | 'native';

/** One end of a conversation in a process of its own: peer.mjs. */
export class PeerProcess {
  readonly child: ChildProcess;
  uniqueName = '';
  /** resolves with the reason when a native caller was told that its bus is gone */
  readonly closed: Promise<string>;

  private constructor(args: readonly string[]) {
    const path = fileURLToPath(new URL('peer.mjs', import.meta.url));
    this.child = fork(path, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    killAtExit(this.child);
    this.closed = this.answer('closed').then(({ closed = '' }) => closed);
    this.closed.catch(() => undefined);
  }

  static async start(
    kind: PeerKind,
    role: 'serve' | 'call',
    address: string,
    name: string,
  ): Promise<PeerProcess> {
    const peer = new PeerProcess([kind, role, address, name]);
    const { ready = '' } = await peer.answer('ready');
    peer.uniqueName = ready;
    return peer;
  }

  get pid(): number {
    return this.child.pid!;
  }

  async call(calls: number): Promise<CallResult> {
    const answer = this.answer('result');
    this.child.send({ calls });
    const { result } = await answer;
    return result!;
  }

  /** What the first message to `name` ends with; empty: it has an owner. */
  async resolve(name: string): Promise<string> {
    const answer = this.answer('resolved');
    this.child.send({ resolve: name });
    const { resolved = '' } = await answer;
    return resolved;
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }

  private answer(key: keyof Answer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const listen = (answer: Answer): void => {
        if (answer[key] === undefined) return;
        this.child.off('message', listen).off('exit', fail);
        resolve(answer);
      };
      const fail = (status: number | null, signal: string | null): void => {
        const how = signal ?? `status ${status}`;
        reject(new Error(`a peer ended with ${how} before it said ${key}`));
      };
      this.child.on('message', listen).once('exit', fail);
    });
  }
}
