import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

interface Question {
  readonly resolve: (answer: string) => void;
  readonly reject: (error: Error) => void;
}

/** libdbus and GDBus in one Python process (`oracle.py`), asked line by line. */
export class Oracle {
  private readonly process: ChildProcessWithoutNullStreams;
  private readonly waiting: Question[] = [];
  private ended = false;
  private errors = '';

  constructor() {
    const script = fileURLToPath(new URL('oracle.py', import.meta.url));
    this.process = spawn('/usr/bin/python3', [script]);
    this.process.stderr.on('data', (text) => (this.errors += String(text)));
    this.process.stdin.on('error', () => this.end());
    this.process.on('close', () => this.end());
    const lines = createInterface({ input: this.process.stdout });
    lines.on('line', (line) => this.waiting.shift()?.resolve(line));
  }

  async ask(command: string, bytes: Uint8Array): Promise<string> {
    const answer = new Promise<string>((resolve, reject) => this.waiting.push({ resolve, reject }));
    if (this.ended) this.end();
    else this.process.stdin.write(`${command} ${Buffer.from(bytes).toString('hex')}\n`);
    return await answer;
  }

  close(): void {
    this.process.stdin.end();
  }

  private end(): void {
    this.ended = true;
    const error = new Error(`the oracle has ended: ${this.errors}`);
    for (const question of this.waiting.splice(0)) question.reject(error);
  }
}
