import { bodyOf, type Values } from '#bridge/wire/typed-body.js';
import type { CallOptions } from './interface-description.js';
import { DBusError, ErrorName } from './errors.js';

/** The contents of a method call or a signal. */
export interface Content {
  /** the object; '/' by default, which is right for an object that a capability leads to */
  readonly path?: string | undefined;
  readonly interface?: string | undefined;
  readonly member: string;
  /** types of the values in `body`; '' by default */
  readonly signature?: string | undefined;
  /** values by the table at the top of interface-description.ts; `o` also takes a capability, `h` an open descriptor */
  readonly body?: readonly unknown[] | undefined;
}

/** A method call through a capability. */
export interface MethodCall extends Content, CallOptions {
  /** ends when it is sent, with an empty reply */
  readonly noReply?: boolean | undefined;
  /** fails instead of starting the service */
  readonly noAutoStart?: boolean | undefined;
  /** the service may ask the user before it answers */
  readonly allowInteractiveAuthorization?: boolean | undefined;
}

/** A method call to a bus name. */
export interface NamedCall extends MethodCall {
  readonly destination: string;
}

/** A signal to all subscribers: match rules need both fields. */
export interface Broadcast extends Content {
  readonly path: string;
  readonly interface: string;
}

/** The reply to a call. */
export class Reply {
  readonly body: readonly unknown[];
  readonly signature: string;
  /** unique name of the replying process; undefined without a bus, or when the bus does not back the claim to it */
  readonly sender: string | undefined;

  constructor(body: readonly unknown[], signature: string, sender: string | undefined) {
    this.body = body;
    this.signature = signature;
    this.sender = sender;
  }
}

export const EMPTY_REPLY = new Reply([], '', undefined);

/** No value, the value, or all of them in an array. */
export function returned({ body }: Reply): unknown {
  return body.length > 1 ? body : body[0];
}

/** The values of a reply that has to have this signature. @throws DBusError when it has another */
export function valuesIn<S extends string>(reply: Reply, signature: S): Values<S> {
  const values = bodyOf(reply, signature);
  if (values !== undefined) return values;
  const why = `the reply has the signature '${reply.signature}' instead of '${signature}'`;
  throw new DBusError(ErrorName.Failed, why);
}

/** The code that a reply consists of, one of those listed. @throws DBusError when it is another */
export function codeIn<Code extends number>(
  reply: Reply,
  codes: Readonly<Record<string, Code>>,
): Code {
  const [code] = valuesIn(reply, 'u');
  const known = Object.values(codes).find((each) => each === code);
  if (known !== undefined) return known;
  throw new DBusError(ErrorName.Failed, `the reply has an unknown code: ${code}`);
}
