import { arrivalOf, readControl } from '#bridge/registry/control-message.js';
import type { ArrivedMessage, OwnHandle } from './contexts.js';
import { DBusError, ErrorName } from './errors.js';
import type { Member } from './member.js';
import { Pending } from './pending.js';

/** A question for the owner of a name, or for what starts one. */
export abstract class PendingLookup<Owner> extends Pending<Owner> {
  protected readonly name: string;

  constructor(member: Member, name: string) {
    super(member);
    this.name = name;
  }

  get what(): string {
    return `the lookup of the owner of '${this.name}'`;
  }

  protected read(message: ArrivedMessage): void {
    const isOfBus = this.member.isOfBus(message.origin);
    const answer = readControl('lookup', arrivalOf(message), isOfBus);
    const handle = message.lastReceived;
    if (answer === undefined || handle === null) {
      const why = `the name '${this.name}' has no owner, and no service file provides it`;
      this.error = new DBusError(ErrorName.ServiceUnknown, why);
      return;
    }
    this.value = this.found(handle, answer.owner);
  }

  /** `number`: of the unique name; negative while there is no owner yet. */
  protected abstract found(handle: OwnHandle, number: number): Owner;
}
