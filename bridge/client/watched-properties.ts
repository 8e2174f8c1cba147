import { Subject } from 'rxjs';
import { isBody } from '#bridge/wire/typed-body.js';
import type { CallOptions, SignalStream } from './interface-description.js';
import { Stream } from './stream.js';

/** What a cache of properties needs of the object that they belong to. */
export interface PropertySource {
  /** the bodies of PropertiesChanged */
  changed(): SignalStream<readonly unknown[]>;
  getAll(options?: CallOptions): Promise<Map<string, unknown>>;
  get(name: string): Promise<unknown>;
}

/** The changed properties with their new values; undefined for one that was only invalidated. */
export type PropertyChanges = ReadonlyMap<string, unknown>;

/**
 * The properties of one interface of an object, kept up to date: all values once, and then every change. No change is
 * missed in between, as the subscription comes first.
 */
export class WatchedProperties {
  /** every change, from now on */
  readonly changes: Stream<PropertyChanges>;
  readonly #source: PropertySource;
  readonly #interface: string;
  readonly #values = new Map<string, unknown>();
  readonly #changed = new Subject<PropertyChanges>();
  #early: (readonly unknown[])[] | undefined = [];
  #stop: () => void = () => {};

  private constructor(source: PropertySource, iface: string) {
    this.#source = source;
    this.#interface = iface;
    this.changes = new Stream((observer) => this.#changed.subscribe(observer));
  }

  /** @internal called by `watch` of a proxy */
  static async open(
    source: PropertySource,
    iface: string,
    options?: CallOptions,
  ): Promise<WatchedProperties> {
    const watched = new WatchedProperties(source, iface);
    const stream = source.changed();
    const subscription = stream.subscribe({
      next: (body) => watched.#take(body),
      error: (error) => watched.#changed.error(error),
      complete: () => watched.#changed.complete(),
    });
    watched.#stop = () => subscription.unsubscribe();
    try {
      await stream.ready();
      for (const [name, value] of await source.getAll(options)) watched.#values.set(name, value);
    } catch (error) {
      watched.close();
      throw error;
    }
    const early = watched.#early ?? [];
    watched.#early = undefined;
    for (const body of early) watched.#take(body);
    return watched;
  }

  /** The value of a property; undefined for one that does not exist, or whose new value has yet to be read. */
  get(name: string): unknown {
    return this.#values.get(name);
  }

  /** All values that are known now. */
  get values(): ReadonlyMap<string, unknown> {
    return this.#values;
  }

  /** The value of one property, now and whenever it changes. */
  value(name: string): Stream<unknown> {
    return new Stream((observer) => {
      observer.next(this.get(name));
      return this.#changed.subscribe({
        next: (changes) => changes.has(name) && observer.next(changes.get(name)),
        error: (error) => observer.error(error),
        complete: () => observer.complete(),
      });
    });
  }

  /** Stops following changes. */
  close(): void {
    this.#stop();
    this.#changed.complete();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.close();
    return Promise.resolve();
  }

  #take(body: readonly unknown[]): void {
    if (!isBody(body, 'sa{sv}as') || body[0] !== this.#interface) return;
    const [, values, invalidated] = body;
    if (this.#early !== undefined) return void this.#early.push(body);
    const changes = new Map<string, unknown>();
    for (const [name, { value }] of values) {
      this.#values.set(name, value);
      changes.set(name, value);
    }
    for (const name of invalidated) {
      this.#values.delete(name);
      changes.set(name, undefined);
      this.#ask(name);
    }
    this.#changed.next(changes);
  }

  /** A property that was only invalidated is read, and reported like any change. */
  #ask(name: string): void {
    this.#source.get(name).then(
      (value) => {
        this.#values.set(name, value);
        this.#changed.next(new Map([[name, value]]));
      },
      () => {}, // it cannot be read, or the object is gone: the value stays unknown
    );
  }
}
