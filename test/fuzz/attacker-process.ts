import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { ROOT } from '../support/bus-command.js';
import { killAtExit } from '../support/process.js';
import type { Answer } from './attacker.js';
import type { Place, Session } from './target.js';

/** A session takes milliseconds; one in whose middle the bus stops answering takes as long as this. */
const SESSION_MS = 20_000;
/** nobody(7) of Debian, where this is root's process: attackers must not be of a user who may do everything */
export const ATTACKER_UID = process.getuid!() === 0 ? 65_534 : process.getuid!();

/** attacker.ts in a process of its own. */
export class AttackerProcess {
  private child: ChildProcess | undefined;
  private number = 0;
  private readonly uid: number;

  constructor(uid = ATTACKER_UID) {
    this.uid = uid;
  }

  /** What came of it; undefined when it did not end in time, and was ended. */
  async perform(session: Session, place: Place): Promise<Answer | undefined> {
    const child = (this.child ??= await this.start());
    const number = ++this.number;
    const answered = new Promise<Answer | undefined>((resolve) => {
      const finish = (answer?: Answer): void => {
        if (answer !== undefined && answer.number !== number) return;
        clearTimeout(timer);
        child.off('message', finish).off('exit', ended);
        resolve(answer);
      };
      const ended = (): void => finish();
      const timer = setTimeout(finish, SESSION_MS);
      child.on('message', finish).on('exit', ended);
    });
    child.send({ number, session, place });
    const answer = await answered;
    if (answer === undefined) await this.end();
    return answer;
  }

  async end(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  private async start(): Promise<ChildProcess> {
    const child = fork(join(import.meta.dirname, 'attacker.ts'), [String(this.uid)], {
      execArgv: ['--import', join(ROOT, 'test/support/typescript.mjs')],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    killAtExit(child);
    await once(child, 'message');
    return child;
  }
}
