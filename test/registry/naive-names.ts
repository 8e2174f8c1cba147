import type { NameOperation } from './names-on-reference-bus.js';

interface Wish {
  owner: string;
  flags: number;
}

/** Name ownership told once more, with nothing but lists and the sentences of the specification. */
export class NaiveNames {
  readonly #queues: Record<string, Wish[]> = {};
  /** [owner, name] in the order in which the owner joined the queue. */
  #joined: [string, string][] = [];

  queue(name: string): string[] {
    return (this.#queues[name] ?? []).map((wish) => wish.owner);
  }

  list(): string[] {
    return Object.keys(this.#queues)
      .filter((name) => this.queue(name).length > 0)
      .toSorted();
  }

  perform(step: NameOperation): { reply: number; changes: unknown[] } {
    if (step.kind === 'disconnect') {
      const names = this.#joined.filter(([owner]) => owner === step.owner).map(([, name]) => name);
      const changes = names
        .toReversed()
        .flatMap((name) => this.perform({ kind: 'release', owner: step.owner, name }).changes);
      return { reply: 0, changes };
    }
    const before = this.queue(step.name);
    const reply = step.kind === 'request' ? this.#request(step) : this.#release(step);
    const after = this.queue(step.name);
    this.#joined = this.#joined.filter(
      ([owner, name]) => name !== step.name || after.includes(owner),
    );
    for (const owner of after) {
      if (!before.includes(owner)) this.#joined.push([owner, step.name]);
    }
    const changes =
      before[0] === after[0] ? [] : [{ name: step.name, oldOwner: before[0], newOwner: after[0] }];
    return { reply, changes };
  }

  #request(step: { owner: string; name: string; flags: number }): number {
    const queue = this.#queues[step.name] ?? [];
    const [replace, doNotQueue] = [2, 4].map((bit) => (step.flags & bit) !== 0);
    const wish = { owner: step.owner, flags: step.flags };
    const others = queue.filter(({ owner }) => owner !== step.owner);
    const set = (...wishes: Wish[]): void => void (this.#queues[step.name] = wishes);

    if (queue.length === 0) return (set(wish), 1);
    if (queue[0].owner === step.owner) return (set(wish, ...others), 4);
    if (replace && (queue[0].flags & 1) !== 0) {
      set(wish, ...((queue[0].flags & 4) !== 0 ? others.slice(1) : others));
      return 1;
    }
    if (doNotQueue) return (set(...others), 3);
    if (replace) set(others[0], wish, ...others.slice(1));
    else if (others.length < queue.length) {
      set(...queue.map((old) => (old.owner === step.owner ? wish : old)));
    } else set(...queue, wish);
    return 2;
  }

  #release(step: { owner: string; name: string }): number {
    const queue = this.#queues[step.name] ?? [];
    if (queue.length === 0) return 2;
    if (!queue.some(({ owner }) => owner === step.owner)) return 3;
    this.#queues[step.name] = queue.filter(({ owner }) => owner !== step.owner);
    return 1;
  }
}
