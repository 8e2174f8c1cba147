import { parseBusName, isUniqueName } from '#bridge/wire/names.js';
import { valuesIn, type MethodCall, type Reply } from './method-call.js';
import { DRIVER_NAME, DRIVER_PATH, type DriverClient } from './driver-client.js';
import { DBusError, ErrorName } from './errors.js';
import type { CallOptions } from './interface-description.js';

/**
 * Names that were looked up on a bus without a domain. No handle is released there when an owner changes: the bus
 * is asked whether the name has an owner, and a match rule reports changes (see `SocketDomain`).
 */
export class SocketNames {
  private readonly driver: DriverClient;
  private readonly watched = new Set<string>();

  constructor(driver: DriverClient) {
    this.driver = driver;
  }

  /** @throws DBusError `ServiceUnknown` when nobody has the name, and nothing starts its service */
  async look(name: string, options: CallOptions): Promise<void> {
    const { calls } = this.driver.member;
    const ask = (member: string, body: readonly string[]): Promise<Reply> =>
      calls.call(this.driver.target, { ...questionFor(member, body), ...options });
    checkName(name);
    if (!this.watched.has(name)) await ask('AddMatch', [ownerRule(name)]);
    this.watched.add(name);
    if (valuesIn(await ask('NameHasOwner', [name]), 'b')[0]) return;
    const [startable] = valuesIn(await ask('ListActivatableNames', []), 'as');
    if (startable.includes(name)) return;
    this.watched.delete(name);
    await ask('RemoveMatch', [ownerRule(name)]);
    throw unowned(name);
  }

  /** The same, blocking the thread. */
  lookSync(name: string, timeoutMs: number | undefined): void {
    const { calls } = this.driver.member;
    const ask = (member: string, body: readonly string[]): Reply =>
      calls.callSync(this.driver.target, { ...questionFor(member, body), timeoutMs });
    checkName(name);
    if (!this.watched.has(name)) ask('AddMatch', [ownerRule(name)]);
    this.watched.add(name);
    if (valuesIn(ask('NameHasOwner', [name]), 'b')[0]) return;
    if (valuesIn(ask('ListActivatableNames', []), 'as')[0].includes(name)) return;
    this.watched.delete(name);
    ask('RemoveMatch', [ownerRule(name)]);
    throw unowned(name);
  }
}

function questionFor(member: string, body: readonly string[]): MethodCall {
  const signature = 's'.repeat(body.length);
  return { path: DRIVER_PATH, interface: DRIVER_NAME, member, signature, body };
}

function checkName(name: string): void {
  if (parseBusName(name) === undefined) throw new TypeError(`'${name}' is not a valid bus name`);
}

function unowned(name: string): DBusError {
  const isUnique = isUniqueName(parseBusName(name)!);
  const why = isUnique ? 'that connection has been closed' : 'no service file provides it';
  return new DBusError(ErrorName.ServiceUnknown, `the name '${name}' has no owner, and ${why}`);
}

/** The match rule for changes of a name's owner. */
export function ownerRule(name: string): string {
  return `type='signal',sender='${DRIVER_NAME}',interface='${DRIVER_NAME}',member='NameOwnerChanged',arg0='${name}'`;
}
