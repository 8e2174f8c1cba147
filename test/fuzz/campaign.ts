import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Random } from '../core/random.js';
import { openFolder } from '../support/bus-command.js';
import { AttackerProcess } from './attacker-process.js';
import { Scene } from './scene.js';
import type { Place, Session } from './target.js';
import { TARGETS } from './targets/index.js';

/** Between two looks at whether all is well. */
const BATCH_MS = 8000;
/** Sessions before a find of which one may be the cause. */
const SUSPECTS = 60;
const ATTACKERS = Math.min(2, availableParallelism());

export interface CampaignOptions {
  readonly target: string;
  readonly seed: number;
  readonly ms: number;
  readonly hosts: number;
  /** ends when so many inputs have been tried, however long that takes */
  readonly inputs?: number | undefined;
  readonly tell: (text: string) => void;
}

export interface Outcome {
  sessions: number;
  inputs: number;
  /** calls of the bystanders that were answered meanwhile */
  answered: number;
  finds: { what: string; session: Session }[];
  /** of each process that was attacked, in MiB: before and after */
  residentMib: Record<string, string>;
}

/** Attacks with sessions that follow from one seed, until the time is over or something was found. */
export async function campaign(options: CampaignOptions): Promise<Outcome> {
  return new Campaign(options).run();
}

class Campaign {
  private readonly options: CampaignOptions;
  private readonly random: Random;
  private readonly attackers = Array.from({ length: ATTACKERS }, () => new AttackerProcess());
  private readonly recent: Session[] = [];
  private readonly outcome: Outcome = {
    sessions: 0,
    inputs: 0,
    answered: 0,
    finds: [],
    residentMib: {},
  };
  private end = 0;

  constructor(options: CampaignOptions) {
    this.options = options;
    this.random = new Random(options.seed);
  }

  async run(): Promise<Outcome> {
    const { target } = this.options;
    try {
      if (TARGETS[target].needsBus) await this.attackBus();
      else await this.attackParser();
    } finally {
      for (const attacker of this.attackers) await attacker.end();
    }
    return this.outcome;
  }

  private get isOver(): boolean {
    const { inputs } = this.options;
    return inputs === undefined ? performance.now() >= this.end : this.outcome.inputs >= inputs;
  }

  private async attackBus(): Promise<void> {
    const scene = await Scene.start(this.options.hosts);
    const before = await scene.footprint();
    this.end = performance.now() + this.options.ms;
    try {
      while (!this.isOver && this.outcome.finds.length === 0) {
        await this.batch(scene.place, scene);
        const verdict = await this.verdictOf(scene);
        this.outcome.answered = scene.answered;
        const { sessions, inputs } = this.outcome;
        this.options.tell(
          `${sessions} sessions, ${inputs} inputs, ${scene.answered} calls answered`,
        );
        if (verdict !== undefined) await this.reduce(verdict);
      }
      if (scene.death() === undefined) {
        const after = await scene.footprint();
        for (const [name, mib] of Object.entries(after.residentMib)) {
          this.outcome.residentMib[name] = `${before.residentMib[name]} -> ${mib}`;
        }
      }
    } finally {
      await scene.stop();
    }
  }

  /** What an attacker itself has forgotten to close is given back when its process ends. */
  private async verdictOf(scene: Scene): Promise<string | undefined> {
    const verdict = await scene.verdict();
    if (verdict === undefined || scene.trouble !== undefined || scene.death() !== undefined)
      return verdict;
    for (const attacker of this.attackers) await attacker.end();
    return scene.verdict();
  }

  private async attackParser(): Promise<void> {
    const place = parserPlace();
    this.end = performance.now() + this.options.ms;
    try {
      while (!this.isOver && this.outcome.finds.length === 0) await this.batch(place);
    } finally {
      rmSync(place.folder, { recursive: true, force: true });
    }
  }

  /** Sessions of all attackers, for a while. */
  private async batch(place: Place, scene?: Scene): Promise<void> {
    const until = Math.min(
      performance.now() + BATCH_MS,
      this.options.inputs === undefined ? this.end : Infinity,
    );
    const isWell = (): boolean => scene?.death() === undefined && scene?.trouble === undefined;
    const lane = async (attacker: AttackerProcess): Promise<void> => {
      while (performance.now() < until && isWell() && this.outcome.finds.length === 0) {
        const session = {
          target: this.options.target,
          seed: this.random.below(2 ** 32),
          steps: [],
        };
        this.recent.push(session);
        if (this.recent.length > SUSPECTS) this.recent.shift();
        const answer = await attacker.perform(session, place);
        this.outcome.sessions++;
        this.outcome.inputs += answer?.inputs ?? 0;
        const hangs =
          answer === undefined && scene === undefined ? 'no end within 20 s' : undefined;
        const find = answer?.find ?? hangs;
        if (find !== undefined)
          this.outcome.finds.push({ what: find, session: withSteps(session) });
      }
    };
    const room =
      place.folder !== '' && scene === undefined ? this.attackers.slice(0, 1) : this.attackers;
    await Promise.all(room.map(lane));
  }

  /** Which of the last sessions does it alone, and with how few steps. */
  private async reduce(what: string): Promise<void> {
    const { tell, hosts } = this.options;
    tell(`found: ${what}`);
    for (const session of this.recent.toReversed()) {
      const whole = withSteps(session);
      const alone = await judge(whole, hosts);
      if (alone === undefined) continue;
      tell(`it is the session of seed ${session.seed}: ${alone}`);
      this.outcome.finds.push({ what: alone, session: await fewerSteps(whole, hosts, tell) });
      return;
    }
    tell(`no session does it alone; their seeds: ${this.recent.map(({ seed }) => seed).join(' ')}`);
    this.outcome.finds.push({ what, session: withSteps(this.recent.at(-1)!) });
  }
}

/** Where there is no bus, only a folder that the attacker's user can write to. */
function parserPlace(): Place {
  const folder = openFolder('bus-fuzz-');
  chmodSync(folder, 0o1777);
  return { socketPath: '', services: [], folder };
}

function withSteps(session: Session): Session {
  const steps = TARGETS[session.target].generate(new Random(session.seed));
  return { ...session, steps };
}

/** What a session does to a bus, or to a parser, of its own: undefined, nothing. */
export async function judge(
  session: Session,
  hosts: number,
  times = 2,
): Promise<string | undefined> {
  const attacker = new AttackerProcess();
  if (!TARGETS[session.target].needsBus) {
    const place = parserPlace();
    const answer = await attacker.perform(session, place);
    await attacker.end();
    rmSync(place.folder, { recursive: true, force: true });
    return answer === undefined ? 'no end within 20 s' : answer.find;
  }
  const scene = await Scene.start(hosts);
  try {
    for (let i = 0; i < times; i++) {
      await attacker.perform(session, scene.place);
      await attacker.end();
      const verdict = await scene.verdict();
      if (verdict !== undefined) return verdict;
    }
    return undefined;
  } finally {
    await scene.stop();
  }
}

/** Leaves out halves, quarters, … of the steps for as long as the rest does it too. */
async function fewerSteps(
  session: Session,
  hosts: number,
  tell: (text: string) => void,
): Promise<Session> {
  let steps = [...session.steps];
  const deadline = performance.now() + 120_000;
  for (let size = Math.ceil(steps.length / 2); size >= 1 && performance.now() < deadline;) {
    let isSmaller = false;
    for (let at = 0; at < steps.length && performance.now() < deadline;) {
      const rest = [...steps.slice(0, at), ...steps.slice(at + size)];
      const fails =
        rest.length > 0 && (await judge({ ...session, steps: rest }, hosts, 1)) !== undefined;
      if (!fails) {
        at += size;
        continue;
      }
      steps = rest;
      isSmaller = true;
      tell(`${steps.length} steps left`);
    }
    if (size === 1 && !isSmaller) break;
    size = size === 1 ? 1 : Math.ceil(size / 2);
  }
  return { ...session, steps };
}

/** Keeps a find where test/regress/fuzz.test.ts looks for it. */
export function keep(
  folder: string,
  name: string,
  find: { what: string; session: Session },
): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.json`);
  writeFileSync(
    path,
    `${JSON.stringify({ what: find.what.slice(0, 500), ...find.session }, null, 1)}\n`,
  );
  return path;
}
