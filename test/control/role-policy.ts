// A bus whose policy grants nothing but by its roles.
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { openFolder } from '../support/bus-command.js';
import { ErrorReply, RawClient } from '../support/raw-client.js';

export const BUS = 'org.freedesktop.DBus';

/** As on a system bus: names and calls are for those to whom they are granted. */
const CLOSED = [
  { allow: { connect: { user: '*' } } },
  { deny: { own: '*' } },
  { deny: { send: { type: 'method_call' } } },
  { allow: { send: { type: 'signal' } } },
  { allow: { send: { type: 'method_return', requested_reply: true } } },
  { allow: { send: { type: 'error', requested_reply: true } } },
  { allow: { receive: { type: 'method_call' } } },
  { allow: { receive: { type: 'method_return', requested_reply: true } } },
  { allow: { receive: { type: 'error', requested_reply: true } } },
  { allow: { receive: { type: 'signal' } } },
  { allow: { send: { destination: BUS } } },
];

export type Roles = Readonly<Record<string, unknown>>;

export interface PolicyFiles {
  readonly folder: string;
  readonly config: string;
  readonly main: string;
  readonly other: string;
}

/** Two sockets, and a policy that grants what its roles say. */
export function policyFiles(roles: Roles | ((place: PolicyFiles) => Roles)): PolicyFiles {
  const folder = openFolder('roles-');
  const [config, main, other] = ['bus.yaml', 'bus', 'other'].map((each) => join(folder, each));
  const place = { folder, config, main, other };
  writeRoles(place, typeof roles === 'function' ? roles(place) : roles);
  return place;
}

export function writeRoles({ config, main, other }: PolicyFiles, roles: Roles): void {
  const listen = [main, other].map((path) => `unix:path=${path}`);
  const policies = [{ context: 'default', rules: CLOSED }];
  writeFileSync(`${config}.new`, stringify({ type: 'session', listen, policies, roles }));
  renameSync(`${config}.new`, config);
}

/** The condition of a role for clients of the second socket. */
export function comingInAt(path: string): { listener: string } {
  return { listener: `unix:path=${path}` };
}

export function connectTo(path: string): RawClient {
  const client = new RawClient(`unix:path=${path}`).authenticate();
  client.callBus('Hello');
  return client;
}

export function mayOwn(client: RawClient, name: string): boolean {
  try {
    const [answer] = client.callBus('RequestName', 'su', [name, 0]);
    client.callBus('ReleaseName', 's', [name]);
    return answer === 1;
  } catch (error) {
    if (error instanceof ErrorReply) return false;
    throw error;
  }
}

/** The well-known names that a client is shown. */
export function names(client: RawClient): string[] {
  const [list] = client.callBus('ListNames') as [string[]];
  return list.filter((name) => !name.startsWith(':') && name !== BUS).toSorted();
}
