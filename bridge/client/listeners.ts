import { Capability } from './capability.js';
import { ClientError, DBusError, ErrorName } from './errors.js';
import type { InterfaceDescription, ObjectReference } from './interface-description.js';
import type { Member } from './member.js';
import type { Broadcast } from './method-call.js';
import { SIGNALS } from './object-protocol.js';
import { implement, type ServedInterface } from './served-interface.js';

const Signals: InterfaceDescription = {
  name: SIGNALS,
  methods: { Subscribe: { in: 'o', out: '' } },
  signals: {},
  properties: {},
};

/**
 * The subscribers of an object that is reached by a capability. Each is a handle that was received, and counts
 * against its sender's quota here: there is no other limit.
 */
export class Listeners {
  private readonly member: Member;
  private readonly all = new Set<Capability>();
  private isClosed = false;

  constructor(member: Member) {
    this.member = member;
  }

  get isEmpty(): boolean {
    return this.all.size === 0;
  }

  /** `org.bus1.Signals` of the object. */
  served(): ServedInterface {
    return implement(Signals, { methods: { Subscribe: (one: ObjectReference) => this.add(one) } });
  }

  /** @throws WireError for values that are not of their types, BusClosedError */
  emit(signal: Broadcast): void {
    this.member.mustBeOpen();
    for (const listener of Array.from(this.all)) {
      try {
        if (listener.live) listener.signal(signal);
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        this.member.diagnose(`a listener has lost a signal: ${error.message}`);
      }
    }
  }

  /** There will be no more signals. */
  close(): void {
    this.isClosed = true;
    for (const listener of this.all) listener.release();
    this.all.clear();
  }

  private add(listener: ObjectReference): void {
    if (!(listener instanceof Capability)) {
      const why = `a listener must be a capability, not the path '${listener}'`;
      throw new DBusError(ErrorName.InvalidArgs, why);
    }
    if (this.isClosed) return listener.release();
    this.all.add(listener);
    listener.onRelease(() => this.all.delete(listener));
  }
}
