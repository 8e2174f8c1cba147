import { denialOf, type Denial } from '#bridge/registry/denial.js';
import type { FieldsIn } from '#bridge/registry/control-message.js';
import { MessageHeader } from '#bridge/wire/header.js';
import { describeMessage } from '#bridge/wire/header-text.js';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { Facet } from '#policy/facet.js';
import type { IncomingHeader } from './incoming-header.js';
import type { Transport } from './transport.js';

/** What the policy leaves to be decided for each message of one sender. */
interface Rights {
  readonly facet: Facet | null;
  readonly replyFacet: Facet | null;
}

/**
 * Which processes may claim which sender names, and what they may send to the names of this one. The hosts of a bridge
 * check their clients' messages; every other process the bridge has announced before it could hold a handle to a node
 * of this one.
 */
export class Senders {
  private readonly shared: Transport;
  private readonly rightsOf = new Map<number, Map<string, Rights>>();
  /** processes that the bridge has not introduced may send to names of this one */
  private takesStrangers = true;
  /** counts changes: verdicts about headers from before the last one are void */
  private version = 0;
  private readonly scanned = new MessageHeader();

  constructor(shared: Transport) {
    this.shared = shared;
  }

  /** `process` may send as `name`, within what the policy allows. */
  introduce({ name, process, facet, replyFacet }: FieldsIn<'Introduce'>): void {
    const rights = {
      facet: facet && Facet.of(facet),
      replyFacet: replyFacet && Facet.of(replyFacet),
    };
    const known = this.rightsOf.get(process);
    if (known === undefined) this.rightsOf.set(process, new Map([[name, rights]]));
    else known.set(name, rights);
    this.version++;
  }

  /** Whether the policy is such that nobody has to be introduced. */
  takeStrangers(isOpen: boolean): void {
    this.takesStrangers = isOpen;
    this.version++;
  }

  /** The sender of a message from process `origin` (0: this one); undefined if that has no right to the name. */
  // hot
  of(header: IncomingHeader, origin: number): string | undefined {
    const { sender } = header;
    if (sender === undefined || header.rightfulOrigin === origin) return sender;
    const isRight = this.isOfBus(origin) || this.rightsOf.get(origin)?.has(sender) === true;
    if (!isRight) return undefined;
    header.rightfulOrigin = origin;
    return sender;
  }

  /** Why the policy refuses a message to a name of this process, or a reply to it; undefined: it does not. */
  // hot
  refusal(header: IncomingHeader, origin: number): Denial | undefined {
    if (header.judgedVersion !== this.version || header.judgedOrigin !== origin) {
      header.refusal = this.isOfBus(origin) ? undefined : this.judge(header, origin);
      header.judgedVersion = this.version;
      header.judgedOrigin = origin;
    }
    return header.refusal;
  }

  private isOfBus(origin: number): boolean {
    return origin === 0 || this.shared.identityOf(origin)?.isTrusted === true;
  }

  /** A process that does not send as one of its own names may send only what all of them may. */
  private judge(header: IncomingHeader, origin: number): Denial | undefined {
    const isAnswer = isAnswerType(header.type);
    const known = this.rightsOf.get(origin);
    if (known === undefined) {
      if (this.takesStrangers || isAnswer) return undefined;
      const why = `the bus has not announced ${header.sender ?? 'its sender'} to this process`;
      const message = describeMessage(this.scan(header));
      return { why: `Rejected send message: ${why}`, fields: { why, message } };
    }
    const claimed = header.sender === undefined ? undefined : known.get(header.sender);
    for (const { facet, replyFacet } of claimed === undefined ? known.values() : [claimed]) {
      const deciding = isAnswer ? replyFacet : facet;
      if (deciding === null) continue;
      if (!deciding.check(this.scan(header))) return denialOf(deciding, this.scanned);
    }
    return undefined;
  }

  /** The same header in the form that the policy compares with its rules. */
  private scan(header: IncomingHeader): MessageHeader {
    const { type, flags, path, member, errorName, destination, unixFds } = header;
    const fields = {
      type,
      flags,
      path,
      interface: header.interface,
      member,
      errorName,
      destination,
    };
    const bytes = encodeMessage({
      ...fields,
      serial: 1,
      replySerial: isAnswerType(type) ? 1 : undefined,
      unixFds: unixFds === 0 ? undefined : unixFds,
    });
    this.scanned.scan(bytes, new DataView(bytes.buffer, bytes.byteOffset), 0, bytes.length);
    return this.scanned;
  }
}

/** The type alone decides by which facet a message is judged, so that a verdict belongs to its header. */
function isAnswerType(type: number): boolean {
  return type === MessageType.MethodReturn || type === MessageType.Error;
}
