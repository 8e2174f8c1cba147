import type { CallOptions } from './interface-description.js';

/** What a method call or a signal says. */
export interface Content {
  /** the object; '/' by default, which is right for an object that is a capability by itself */
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

/** A signal that is not for one receiver only: both fields are needed to be matched. */
export interface Broadcast extends Content {
  readonly path: string;
  readonly interface: string;
}

/** What a call was answered with. */
export class Reply {
  readonly body: readonly unknown[];
  readonly signature: string;
  /** unique name of the sender of the answer; undefined without a bus, or when that claim was not backed by the bus */
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
