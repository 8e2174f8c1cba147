import { fork, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

import { killAtExit } from '../support/process.js';

interface Answer {
  readonly number: number;
  readonly error?: string;
}

/** A process by which clients connect. */
class Door {
  private readonly child: ChildProcess;
  private readonly asked = new Map<number, (socket: Socket | undefined, error?: string) => void>();
  private lastNumber = 0;

  constructor() {
    const program = fileURLToPath(new URL('door.mjs', import.meta.url));
    this.child = fork(program, { stdio: 'inherit' });
    killAtExit(this.child);
    this.child.on('message', ({ number, error }: Answer, socket: Socket | undefined) => {
      this.asked.get(number)?.(socket, error);
      this.asked.delete(number);
    });
  }

  connect(path: string): Promise<Socket> {
    const number = ++this.lastNumber;
    this.child.send({ number, path });
    return new Promise((resolve, reject) => {
      this.asked.set(number, (socket, error) => {
        if (socket === undefined) reject(new Error(`a door cannot connect to ${path}: ${error}`));
        else resolve(socket);
      });
    });
  }

  close(): void {
    this.child.disconnect();
  }
}

/** Processes by which clients connect, so that a bus of several hosts spreads them. */
export class Doors {
  private readonly doors: readonly Door[];

  constructor(count: number) {
    this.doors = Array.from({ length: count }, () => new Door());
  }

  /** A socket that is connected to `path` by the door that client `number` always uses. */
  connect(path: string, number: number): Promise<Socket> {
    return this.doors[number % this.doors.length].connect(path);
  }

  close(): void {
    for (const door of this.doors) door.close();
  }
}
