import { ActivationFailures } from '#bridge/driver/activation-failure.js';
import type { ActivationFailure } from '#bridge/driver/activation-failure.js';

/** What is being started for a name; it decides which failures concern it. */
export interface ActivationTarget {
  /** Absent for a name that is only waited for, such as that of systemd itself. */
  readonly exec: string | undefined;
  readonly systemdUnit: string | undefined;
}

/** One name that is being activated, and everything that waits for it. */
export interface PendingActivation<Parked> {
  readonly name: string;
  readonly target: ActivationTarget;
  readonly deadlineMs: number;
  readonly parked: readonly Parked[];
}

export type ParkOutcome =
  /** Nothing was under way: the caller must now start the service. */
  | { readonly kind: 'started' }
  | { readonly kind: 'joined' }
  | { readonly kind: 'refused'; readonly failure: ActivationFailure };

/** A name whose activation has failed; each parked item is to be answered with the failure. */
export interface FailedActivation<Parked> {
  readonly name: string;
  readonly failure: ActivationFailure;
  readonly parked: readonly Parked[];
}

export interface PendingActivationLimits {
  /** `max_pending_service_starts`; it counts what is parked, not names. */
  readonly maxParked: number;
  /** `service_start_timeout`; every name has its own deadline, set by the first request for it. */
  readonly timeoutMs: number;
}

interface Activation<Parked> extends PendingActivation<Parked> {
  target: ActivationTarget;
  parked: Parked[];
}

/**
 * The names that are being activated. Holds no timer and no process: the caller passes in the time,
 * and gets back what is parked, in the order of its arrival, to deliver or answer it.
 *
 * A name leaves this table exactly once, by appearing or by failing; a later request starts anew.
 */
export class PendingActivations<Parked> {
  readonly #activations = new Map<string, Activation<Parked>>();
  #limits: PendingActivationLimits;
  #parkedCount = 0;

  constructor(limits: PendingActivationLimits) {
    this.#limits = limits;
  }

  /** New limits apply to later requests. */
  setLimits(limits: PendingActivationLimits): void {
    this.#limits = limits;
  }

  get parkedCount(): number {
    return this.#parkedCount;
  }

  get(name: string): PendingActivation<Parked> | undefined {
    return this.#activations.get(name);
  }

  /** Parks an item until the name appears. */
  park(name: string, item: Parked, target: ActivationTarget, nowMs: number): ParkOutcome {
    const { maxParked, timeoutMs } = this.#limits;
    if (this.#parkedCount >= maxParked) {
      return { kind: 'refused', failure: ActivationFailures.tooManyPending(name, maxParked) };
    }
    this.#parkedCount += 1;
    const underWay = this.#activations.get(name);
    if (underWay !== undefined) {
      underWay.parked.push(item);
      return { kind: 'joined' };
    }
    const deadlineMs = nowMs + timeoutMs;
    this.#activations.set(name, { name, target, deadlineMs, parked: [item] });
    return { kind: 'started' };
  }

  /** Sets the target of a name that is being activated, once it is known or has changed. */
  retarget(name: string, target: ActivationTarget): void {
    const underWay = this.#activations.get(name);
    if (underWay !== undefined) underWay.target = target;
  }

  /** The name has an owner: returns what to deliver to it. */
  nameAppeared(name: string): readonly Parked[] {
    return this.#remove(name)?.parked ?? [];
  }

  /** Fails this one name; returns nothing if it is not being activated (any more). */
  fail(name: string, failure: ActivationFailure): FailedActivation<Parked>[] {
    return this.#failAll([this.#activations.get(name)], failure);
  }

  /**
   * The process started for a name has failed. Other names that are to be provided by the very
   * same command line fail with it, as they do in dbus-daemon: one program often provides several
   * names.
   */
  failProcess(name: string, failure: ActivationFailure): FailedActivation<Parked>[] {
    const exec = this.#activations.get(name)?.target.exec;
    const others = [...this.#activations.values()].filter(
      (activation) =>
        activation.name !== name && exec !== undefined && activation.target.exec === exec,
    );
    return this.#failAll([...others, this.#activations.get(name)], failure);
  }

  /** systemd reported that it could not start a unit. */
  failUnit(unit: string, failure: ActivationFailure): FailedActivation<Parked>[] {
    const concerned = [...this.#activations.values()].filter(
      (activation) => activation.target.systemdUnit === unit,
    );
    return this.#failAll(concerned, failure);
  }

  /** Fails every name whose deadline has passed. */
  expire(nowMs: number): FailedActivation<Parked>[] {
    return [...this.#activations.values()]
      .filter((activation) => activation.deadlineMs <= nowMs)
      .flatMap(({ name }) =>
        this.fail(name, ActivationFailures.timedOut(name, this.#limits.timeoutMs)),
      );
  }

  /** When `expire` must be called next. */
  nextDeadlineMs(): number | undefined {
    const deadlines = [...this.#activations.values()].map((activation) => activation.deadlineMs);
    return deadlines.length === 0 ? undefined : Math.min(...deadlines);
  }

  /**
   * Drops messages that no longer matter, such as the calls of a connection that has gone, and returns them. The
   * activations go on: the service may be useful to other clients.
   */
  withdraw(isWithdrawn: (item: Parked) => boolean): Parked[] {
    const withdrawn: Parked[] = [];
    for (const activation of this.#activations.values()) {
      for (const item of activation.parked) if (isWithdrawn(item)) withdrawn.push(item);
      activation.parked = activation.parked.filter((item) => !isWithdrawn(item));
    }
    this.#parkedCount -= withdrawn.length;
    return withdrawn;
  }

  #failAll(
    activations: readonly (Activation<Parked> | undefined)[],
    failure: ActivationFailure,
  ): FailedActivation<Parked>[] {
    return activations
      .filter((activation) => activation !== undefined)
      .map(({ name, parked }) => {
        this.#remove(name);
        return { name, failure, parked };
      });
  }

  #remove(name: string): Activation<Parked> | undefined {
    const activation = this.#activations.get(name);
    this.#activations.delete(name);
    this.#parkedCount -= activation?.parked.length ?? 0;
    return activation;
  }
}
