import { NO_CREDENTIALS } from '#bridge/registry/connection.js';
import { confinementOf } from '#bridge/uplink/confinement.js';
import {
  allowsUplink,
  matchName,
  nameSpecificity,
  isConfinement,
  type Direction,
  type Mapping,
} from '#mappings/index.js';
import type { Client } from './mappings-plan-monitor.js';
import type { Dealings, Traffic } from './mappings-plan-traffic.js';
import { movingOrder } from './moving-order.js';

/** A client that gets no connection to the existing bus, unless that is allowed. */
export interface ConfinedClient extends Client {
  /** for --allow-confined, and for `uplinks` in a mapping */
  readonly grant: string;
  readonly why: string;
  readonly isAllowed: boolean;
}

/** Names that move at the same time. */
export interface Step {
  readonly names: readonly string[];
  readonly owners: readonly Client[];
  /** what the mappings say about these names */
  readonly mappings: readonly {
    readonly name: string;
    readonly file: string;
    readonly direction: Direction;
  }[];
  /** names that the owners need and that have not been moved by then */
  readonly import: readonly string[];
  /** clients that still call them from the existing bus: as long as there are any, the names have to be exported */
  readonly export: readonly Client[];
  readonly confined: readonly ConfinedClient[];
  /** what does not cross from one bus to the other */
  readonly warnings: readonly string[];
}

/** What `bus1-bridge mappings plan --json` prints. */
export interface Plan {
  readonly bus: string;
  readonly seconds: number;
  readonly calls: number;
  readonly dealings: readonly (Omit<Dealings, 'from'> & { readonly from: Client })[];
  readonly steps: readonly Step[];
}

/** What a plan is made from. */
export interface Seen {
  readonly bus: string;
  readonly seconds: number;
  readonly traffic: Traffic;
  readonly clients: ReadonlyMap<string, Client>;
  readonly mappings: readonly Mapping[];
}

/** Which program calls which, and the order in which names can move. */
export function makePlan({ bus, seconds, traffic, clients, mappings }: Seen): Plan {
  const clientOf = (uniqueName: string): Client =>
    clients.get(uniqueName) ?? { uniqueName, ...UNKNOWN };
  const dealings = traffic.dealings();
  const dependencies = traffic.dependencies();
  const moved = new Set<string>();
  const steps = movingOrder(dependencies).map((names): Step => {
    for (const name of names) moved.add(name);
    const callers = dealings
      .filter(({ to }) => names.includes(to))
      .map(({ from }) => from)
      .filter((from) => traffic.namesOf(from).length === 0);
    const needs = new Set(names.flatMap((name) => [...(dependencies.get(name) ?? [])]));
    const owners = names.flatMap((name) => traffic.owners.get(name) ?? []);
    const remaining = [...new Set(callers)].map((from) => clientOf(from));
    return {
      names,
      owners: [...new Set(owners)].map((owner) => clientOf(owner)),
      mappings: names.flatMap((name) => mappingOf(name, mappings)),
      import: [...needs].filter((name) => !moved.has(name)).toSorted(),
      export: remaining,
      confined: remaining.flatMap((client) => confined(client, names, mappings)),
      warnings: [...new Set(owners)]
        .filter((owner) => traffic.askers.has(owner))
        .map(
          (owner) =>
            `${owner} asks the bus who its callers are: for those on the other bus, it gets the bridge`,
        ),
    };
  });
  const named = dealings.map(({ from, ...rest }) => ({ from: clientOf(from), ...rest }));
  return { bus, seconds, calls: traffic.calls, dealings: named, steps };
}

const UNKNOWN = { uid: undefined, pid: undefined, executable: undefined, isGone: true };

function bestFor(name: string, mappings: readonly Mapping[]) {
  const matches = mappings
    .flatMap((mapping) => mapping.names.map((entry) => ({ mapping, entry })))
    .filter(({ entry }) => matchName(entry.pattern, name));
  const rank = ({ entry }: (typeof matches)[number]): number => nameSpecificity(entry.pattern);
  return matches.toSorted((a, b) => rank(b) - rank(a))[0];
}

function mappingOf(name: string, mappings: readonly Mapping[]): Step['mappings'] {
  const best = bestFor(name, mappings);
  if (best === undefined) return [];
  return [{ name, file: best.mapping.file, direction: best.entry.direction }];
}

/** The confined clients, as a bridge run by the present user would see them. */
function confined(
  client: Client,
  names: readonly string[],
  mappings: readonly Mapping[],
): ConfinedClient[] {
  const { uid, pid, isGone } = client;
  /* its credentials are unknown: advice to allow clients without credentials would be useless */
  if (isGone === true) return [];
  const credentials = { ...NO_CREDENTIALS, uid, pid };
  const found = confinementOf(credentials, process.getuid?.() ?? -1);
  if (found === undefined) return [];
  const [sort = '', id = ''] = found.key.split(/:(.*)/su);
  const isAllowed = names.every((name) => {
    const best = bestFor(name, mappings);
    return best !== undefined && isConfinement(sort) && allowsUplink(best.mapping, sort, id);
  });
  return [{ ...client, grant: found.key, why: found.text, isAllowed }];
}
