import type { Handle } from '#core/index.js';
import { handleIndex } from '#bridge/client/object-protocol.js';
import { DriverError, ErrorName } from '#bridge/driver/driver-error.js';
import { matchPath, type ObjectKind } from '#mappings/index.js';

import type { Arrival } from './arrival.js';
import type { Conversation } from './conversation.js';
import { ObjectNode } from './object-node.js';

/** Translates the handles that came with a message of a native peer to paths. */
export class HandleArguments {
  private readonly arrival: Arrival;
  /** how many of the arrival's handles are arguments */
  private readonly count: number;
  private readonly conversation: Conversation;
  private readonly used = new Set<number>();

  /** @param conversation that of the native peer which offers objects of its own */
  constructor(arrival: Arrival, count: number, conversation: Conversation) {
    this.arrival = arrival;
    this.count = count;
    this.conversation = conversation;
  }

  /** For `toLegacy`: the path for a handle. @throws DriverError */
  readonly path = (
    value: unknown,
    kinds: readonly ObjectKind[],
    busName: string | undefined,
  ): unknown => {
    if (typeof value !== 'string') return value;
    const index = handleIndex(value);
    if (index >= 0 && index < this.count) {
      this.used.add(index);
      const handle = this.arrival.handle(index);
      if (handle === null) throw wrong(`argument ${value}: the object is gone`);
      return this.pathOf(handle, kinds, busName);
    }
    const forged = kinds.find(
      ({ owner, paths }) =>
        owner === 'service' && paths.some((pattern) => matchPath(pattern, value) !== undefined),
    );
    if (forged === undefined) return value;
    throw new DriverError(
      ErrorName.AccessDenied,
      `${value} is the path of a ${forged.name}, but a handle to one is needed here: ` +
        `${this.conversation.service.name} gives handles out, paths mean nothing here ` +
        `(mapping ${forged.at.file}:${forged.at.line})`,
    );
  };

  /** Every handle must be where the mapping expects one: a service cannot use it elsewhere. @throws DriverError */
  mustBeUsed(): void {
    if (this.used.size === this.count) return;
    const { file } = this.conversation.service.mapping;
    throw new DriverError(
      ErrorName.NotSupported,
      `the mapping ${file} has no object at the place of this handle: ` +
        `${this.conversation.service.name} takes none there`,
    );
  }

  private pathOf(
    handle: Handle,
    kinds: readonly ObjectKind[],
    busName = this.conversation.service.name,
  ): string {
    const { context } = handle.node;
    const { service, client } = this.conversation;
    const wanted = kinds.map(({ name }) => name).join(' or ');
    if (context instanceof ObjectNode) {
      const { kind, path, hasEnded } = context;
      if (hasEnded) throw wrong(`the ${kind.name} that this handle leads to has ended`);
      const isOwn =
        context.conversation.service.owner === client.translator.registry.owner(busName);
      if (!isOwn) throw wrong(`this handle leads to an object of another service than ${busName}`);
      if (!kinds.includes(kind))
        throw wrong(`a handle to a ${wanted} is needed, this one leads to a ${kind.name}`);
      return path;
    }
    const offered = kinds.find(({ owner }) => owner === 'caller');
    if (offered !== undefined) return this.conversation.pathFor(handle, offered);
    throw wrong(`a handle to a ${wanted} of ${service.name} is needed, this one leads elsewhere`);
  }
}

function wrong(text: string): DriverError {
  return new DriverError(ErrorName.InvalidArgs, text);
}
