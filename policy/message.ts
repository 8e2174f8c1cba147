/**
 * What a facet looks at: a structural subset of a scanned message header. Offsets are indexes into
 * `bytes`; a length of 0 means that the header field is absent.
 */
export interface PolicyMessage {
  readonly bytes: Uint8Array;
  readonly type: number;
  readonly pathOffset: number;
  readonly pathLength: number;
  readonly interfaceOffset: number;
  readonly interfaceLength: number;
  readonly memberOffset: number;
  readonly memberLength: number;
  readonly errorNameOffset: number;
  readonly errorNameLength: number;
  readonly unixFds: number;
}

/** The same as strings, for explanations and tests. */
export interface MessageFacts {
  readonly type: number;
  readonly path?: string | undefined;
  readonly interface?: string | undefined;
  readonly member?: string | undefined;
  readonly errorName?: string | undefined;
  readonly unixFds?: number | undefined;
}

const encoder = new TextEncoder();

/** Lays the facts out in bytes as a facet expects them. */
export function policyMessage(facts: MessageFacts): PolicyMessage {
  const path = encoder.encode(facts.path ?? '');
  const interfaceName = encoder.encode(facts.interface ?? '');
  const member = encoder.encode(facts.member ?? '');
  const errorName = encoder.encode(facts.errorName ?? '');
  const interfaceOffset = path.length;
  const memberOffset = interfaceOffset + interfaceName.length;
  const errorNameOffset = memberOffset + member.length;
  const bytes = new Uint8Array(errorNameOffset + errorName.length);
  bytes.set(path, 0);
  bytes.set(interfaceName, interfaceOffset);
  bytes.set(member, memberOffset);
  bytes.set(errorName, errorNameOffset);
  return {
    bytes,
    type: facts.type,
    pathOffset: 0,
    pathLength: path.length,
    interfaceOffset,
    interfaceLength: interfaceName.length,
    memberOffset,
    memberLength: member.length,
    errorNameOffset,
    errorNameLength: errorName.length,
    unixFds: facts.unixFds ?? 0,
  };
}
