import type { ArrivedMessage } from './contexts.js';
import { arrivalOf, readControl } from '#bridge/registry/control-message.js';
import { DriverClient, DRIVER_NAME } from './driver-client.js';
import { ClientError } from './errors.js';
import { HeldHandle } from './held-handle.js';
import { Pending } from './pending.js';
import type { BusChoice } from './reach.js';

/** The policy confines this process to a part of the bus, which does not include the domain. */
class ConfinedError extends ClientError {
  constructor(why: string) {
    super('JoinFailed', `the domain of the bus does not admit this process: ${why}`);
    this.name = 'ConfinedError';
  }
}

/** Whether a process that could not join the domain of a bus may use its socket instead. */
export function canUseSocket(error: unknown, { transport }: BusChoice): boolean {
  return error instanceof ConfinedError && transport === undefined;
}

/** Awaits the bridge's reply: handles to the driver and to the registry, or the reason for a refusal. */
export class PendingAdmission extends Pending<DriverClient> {
  readonly what = 'the request to be admitted to the bus';

  protected read(message: ArrivedMessage): void {
    const isOfBus = this.member.isOfBus(message.origin);
    const answer = readControl('admission', arrivalOf(message), isOfBus);
    const [driver, registry] = message.received;
    if (answer?.type === 'Admitted' && driver !== undefined && registry !== undefined) {
      const held = new HeldHandle(this.member, driver, DRIVER_NAME);
      this.value = new DriverClient(this.member, held, new HeldHandle(this.member, registry));
      return;
    }
    if (answer?.type === 'Confined') {
      this.error = new ConfinedError(answer.reason);
      return;
    }
    const why = answer?.type === 'Refused' ? answer.reason : 'its reply is malformed';
    this.error = new ClientError('JoinFailed', `the bus does not admit this process: ${why}`);
  }
}
