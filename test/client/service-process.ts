import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** A script of this folder in a process of its own. It sends its parent objects: the first says that it is ready. */
export class ServiceProcess {
  readonly child: ChildProcess;
  /** what it has complained about */
  readonly diagnostics: string[] = [];
  /** its first message */
  greeting: Record<string, string> = {};

  private constructor(script: string, args: readonly string[], execArgv: readonly string[]) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    this.child = fork(path, args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      execArgv: [...execArgv],
    });
    this.child.on('message', (message: { diagnostic?: string }) => {
      if (message.diagnostic !== undefined) this.diagnostics.push(message.diagnostic);
    });
  }

  static async start(script: string, ...args: readonly string[]): Promise<ServiceProcess> {
    const service = new ServiceProcess(script, args, ['--expose-gc']);
    const ended = once(service.child, 'exit').then(() => {
      throw new Error(`${script} has ended\n${service.diagnostics.join('\n')}`);
    });
    service.greeting = await Promise.race([service.greeted(), ended]);
    return service;
  }

  get uniqueName(): string {
    return this.greeting['name'];
  }

  /** The first message that is no complaint. */
  private async greeted(): Promise<Record<string, string>> {
    for (;;) {
      const [message] = (await once(this.child, 'message')) as [Record<string, string>];
      if (!('diagnostic' in message)) return message;
    }
  }

  send(message: string | object): void {
    this.child.send(message);
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill(signal);
    await ended;
  }
}
