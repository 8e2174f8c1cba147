import { bodyOf, type Values } from '#bridge/wire/typed-body.js';
import { DBusError, ErrorName } from './errors.js';
import type { Reply } from './method-call.js';

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
