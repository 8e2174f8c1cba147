import type { Handle } from '#core/index.js';
import type { HeldHandle } from './held-handle.js';
import type { InterfaceDescription, Proxy } from './interface-description.js';
import type { Content, MethodCall, Reply } from './method-call.js';
import { openProxy } from './proxy.js';

/** Releases the handles of capabilities that were garbage-collected. */
const dropped = new FinalizationRegistry<HeldHandle>((held) => held.release());

/**
 * The right to send to one object, wherever it is. It can be stored, compared, passed on in any argument or result of
 * type `o`, and it can be lost. It is given back by `release`, or when it is garbage-collected.
 */
export class Capability {
  readonly #held: HeldHandle;

  /** @internal */
  static of(held: HeldHandle): Capability {
    return new Capability(held);
  }

  private constructor(held: HeldHandle) {
    this.#held = held;
    dropped.register(this, held, this);
  }

  /** Whether the object is still there, as far as is known here. */
  get live(): boolean {
    return this.#held.handle !== undefined;
  }

  /** The name that it was found by, if any. */
  get name(): string | undefined {
    return this.#held.destination;
  }

  /**
   * Calls a method.
   *
   * @throws DBusError the error reply; `NoReply` at once when the other side is gone
   * @throws ClientError when it could not be sent, or the timeout expired; and the reason of an aborted `signal`
   */
  call(call: MethodCall): Promise<Reply> {
    return this.#held.member.calls.call(this.#held, call);
  }

  /** Like `call`, blocking the thread for `timeoutMs` at most, 25 s by default; -1 without end. */
  callSync(call: MethodCall): Reply {
    return this.#held.member.calls.callSync(this.#held, call);
  }

  /** Sends a signal to this object alone. @throws ClientError */
  signal(signal: Content & { readonly interface: string }): void {
    this.#held.member.calls.signal(this.#held, signal);
  }

  /**
   * Calls `listener` once if the object goes away, or has gone already, but not after `release`; returns a function
   * that cancels this.
   */
  onRelease(listener: () => void): () => void {
    return this.#held.listen(listener, this);
  }

  /** Gives the handle back. The object ends when the last of all handles to it has been released. */
  release(): void {
    dropped.unregister(this);
    this.#held.release();
  }

  /**
   * Whether both lead to the same object. Also false where this process cannot know: when they came by way of two
   * different processes.
   */
  equals(other: Capability): boolean {
    if (this === other) return true;
    const node = this.#held.handle?.node;
    return node !== undefined && node === other.#held.handle?.node;
  }

  /**
   * The object by one of its interfaces. For a capability that was found by name, its signals are those that the
   * bus broadcasts; otherwise those that the object itself sends to its subscribers (`org.bus1.Signals`).
   */
  as<D extends InterfaceDescription>(description: D, path = '/'): Proxy<D> {
    const held = this.#held;
    return openProxy(description, path, {
      call: (call, convert) => held.member.calls.callFor(held, call, convert),
      signals: (rule) => {
        const { member, destination: sender } = held;
        return sender === undefined
          ? member.objectSignals!.bodies(this, held, { ...rule, path })
          : member.signals({ ...rule, path, sender });
      },
    });
  }

  /** @internal for code that composes messages. @throws ClientError */
  handleToSend(): Handle {
    return this.#held.use();
  }
}

declare const interfaces: unique symbol;

/** A capability to an object that has these interfaces, as far as the compiler can know: no other passes for it. */
export interface CapabilityTo<Interfaces extends InterfaceDescription> extends Capability {
  /** Never present at run time. */
  readonly [interfaces]?: Interfaces;
}
