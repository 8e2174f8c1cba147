// One who attacks, in a process of its own: performs the sessions that its parent sends, and says how each went.
import { setgid, setgroups, setuid } from '#core/linux/index.js';
import { Random } from '../core/random.js';
import { Find, type Place, type Session } from './target.js';
import { TARGETS } from './targets/index.js';

export interface Answer {
  readonly number: number;
  readonly inputs: number;
  /** what the attacker has seen and nobody may see */
  readonly find?: string | undefined;
}

interface Request {
  readonly number: number;
  readonly session: Session;
  readonly place: Place;
}

const [, , uidText] = process.argv;
const uid = Number(uidText);
if (process.getuid!() === 0 && uid !== 0) {
  setgroups([]);
  setgid(uid);
  setuid(uid);
}

async function perform({ number, session, place }: Request): Promise<Answer> {
  const target = TARGETS[session.target];
  const { steps } = session;
  try {
    return { number, inputs: await target.perform(steps, place) };
  } catch (error) {
    if (error instanceof Find) return { number, inputs: 0, find: error.message };
    // A bus that hangs up makes an attacker fail: that is what it should do.
    if (target.needsBus) return { number, inputs: 0 };
    return { number, inputs: 0, find: String(error instanceof Error ? error.stack : error) };
  }
}

process.on('disconnect', () => process.exit(0));
process.on('message', (request: Request) => {
  const { session } = request;
  const steps =
    session.steps.length > 0
      ? session.steps
      : TARGETS[session.target].generate(new Random(session.seed));
  void perform({ ...request, session: { ...session, steps } }).then((answer) =>
    process.send!(answer),
  );
});
process.send!({ number: 0, inputs: 0 });
