import { Observable, type Observer, type TeardownLogic } from 'rxjs';
import { ClientError } from './errors.js';

/** Items that an iterator keeps for a busy reader. */
export const BUFFER_MAX = 1024;

/** An Observable that can be read by `for await`, too. Each subscriber and each loop gets all from its start on. */
export class Stream<T> extends Observable<T> implements AsyncIterable<T> {
  private readonly bufferMax: number;

  private readonly whenReady: () => Promise<void>;

  /** `whenReady`: resolves when earlier subscriptions are in effect. */
  constructor(
    subscribe: (observer: Observer<T>) => TeardownLogic,
    bufferMax = BUFFER_MAX,
    whenReady: () => Promise<void> = () => Promise.resolve(),
  ) {
    super((subscriber) => subscribe(subscriber));
    this.bufferMax = bufferMax;
    this.whenReady = whenReady;
  }

  /**
   * Resolves when all present subscribers get every signal that is sent from now on: the other side has to know of
   * a subscription first.
   */
  ready(): Promise<void> {
    return this.whenReady();
  }

  /** Subscribes for an iterator, and resolves with it when no signal is lost any more. */
  async open(): Promise<AsyncIterableIterator<T, undefined>> {
    const iterator = new StreamIterator(this, this.bufferMax);
    try {
      await this.ready();
    } catch (error) {
      await iterator.return();
      throw error;
    }
    return iterator;
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return new StreamIterator(this, this.bufferMax);
  }
}

interface Reader<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

/** Keeps items until they are read, up to a limit: beyond that it ends with an error, rather than leave out items. */
class StreamIterator<T> implements AsyncIterableIterator<T, undefined> {
  private readonly waiting: T[] = [];
  private readonly readers: Reader<T>[] = [];
  private readonly bufferMax: number;
  private isDone = false;
  private error: unknown;
  private readonly unsubscribe: (() => void) | undefined;

  constructor(source: Observable<T>, bufferMax: number) {
    this.bufferMax = bufferMax;
    const subscription = source.subscribe({
      next: (value) => this.take(value),
      error: (error) => this.finish(error),
      complete: () => this.finish(undefined),
    });
    this.unsubscribe = () => subscription.unsubscribe();
    if (this.isDone) this.unsubscribe(); // the source ended while this was subscribing
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return new Promise((resolve, reject) => {
      if (this.waiting.length > 0) resolve({ value: this.waiting.shift()!, done: false });
      else if (!this.isDone) this.readers.push({ resolve, reject });
      else if (this.error === undefined) resolve({ value: undefined, done: true });
      else {
        reject(this.error);
        this.error = undefined;
      }
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.waiting.length = 0;
    this.finish(undefined);
    return Promise.resolve({ value: undefined, done: true });
  }

  private take(value: T): void {
    if (this.isDone) return;
    const reader = this.readers.shift();
    if (reader !== undefined) return reader.resolve({ value, done: false });
    if (this.waiting.length < this.bufferMax) return void this.waiting.push(value);
    const why = `more than ${this.bufferMax} signals are waiting to be read: read faster, or narrow the rule`;
    this.finish(new ClientError('SignalsLost', why));
  }

  private finish(error: unknown): void {
    if (this.isDone) return;
    this.isDone = true;
    this.unsubscribe?.();
    const [first, ...others] = this.readers.splice(0);
    if (error === undefined) first?.resolve({ value: undefined, done: true });
    else if (first === undefined) this.error = error;
    else first.reject(error);
    for (const reader of others) reader.resolve({ value: undefined, done: true });
  }
}
