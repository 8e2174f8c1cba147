import { DriverError, ErrorName } from '#bridge/driver/driver-error.js';
import {
  arg,
  LATER,
  method,
  type Call,
  type CallWith,
  type DriverInterface,
  type Method,
} from '#bridge/driver/method.js';
import { DRIVER_PATH } from '#bridge/registry/directory.js';
import { parseBusName } from '#bridge/wire/names.js';
import type { Connection } from '#bridge/registry/connection.js';
import { MessageFlag, MessageType, type Variant } from '#bridge/wire/types.js';
import type { Attachment } from './attachment.js';
import { Together, type MigrationRequest } from './migration.js';
import { NamePatterns, PatternError } from './name-patterns.js';

const INTERFACE = 'org.bus1.Uplink';
const PROGRESS = 'MigrationProgress';

/** Returns one of the two lists with a pattern added or removed. */
type Edit = (patterns: NamePatterns, pattern: string) => NamePatterns;

const added: Edit = (patterns, pattern) => patterns.with(pattern);
const removed: Edit = (patterns, pattern) => {
  if (patterns.has(pattern)) return patterns.without(pattern);
  throw new DriverError(
    ErrorName.InvalidArgs,
    `The pattern ${pattern} is not on the list: ${patterns.texts.join(', ')}`,
  );
};

/** org.bus1.Uplink: which names move between this bus and the one that it is attached to (docs/adoption.md). */
export function uplinkInterface(attachment: Attachment): DriverInterface {
  const editing = (name: string, which: 'imports' | 'exports', edit: Edit): Method =>
    method({
      name,
      in: [arg('pattern', 's')],
      out: [],
      privileged: true,
      run: (call) => change(call, attachment, which, edit),
    });
  return {
    name: INTERFACE,
    isAdvertised: true,
    canonicalPath: true,
    signals: [{ name: PROGRESS, args: [arg('name', 's'), arg('step', 's'), arg('json', 's')] }],
    methods: [
      editing('Import', 'imports', added),
      editing('Unimport', 'imports', removed),
      editing('Export', 'exports', added),
      editing('Unexport', 'exports', removed),
      method({
        name: 'Migrate',
        in: [arg('name', 's'), arg('back', 'b'), arg('timeout_ms', 'u')],
        out: [arg('json', 's')],
        privileged: true,
        run: (call) => {
          const [name, back, timeout_ms] = call.args;
          const options = { ...MOVE_OPTIONS, back, timeout_ms, start: !back };
          return move(call, attachment, name, options);
        },
      }),
      method({
        name: 'Move',
        in: [arg('name', 's'), arg('options', 'a{sv}')],
        out: [arg('json', 's')],
        privileged: true,
        run: (call) => {
          const [name, given] = call.args;
          return move(call, attachment, name, moveOptions(given));
        },
      }),
      {
        name: 'Status',
        in: [],
        out: [arg('json', 's')],
        privileged: true,
        run: () => [JSON.stringify(statusOf(attachment))],
      },
    ],
  };
}

/** Answers when the bridge knows who owns the names in question. */
function change(
  { args, reply }: CallWith<'s'>,
  attachment: Attachment,
  which: 'imports' | 'exports',
  edit: Edit,
): typeof LATER {
  const { imports, exports } = attachment;
  const patterns = { imports: imports.patterns, exports: exports.patterns };
  try {
    patterns[which] = edit(patterns[which], args[0]);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    throw new DriverError(ErrorName.InvalidArgs, error.message);
  }
  /* not from within the driver, whose names this changes */
  attachment.defer(() =>
    attachment.setPatterns(patterns.imports, patterns.exports, () => reply([])),
  );
  return LATER;
}

/** The names that one client moves together: one call of `Move` for each, all with the same count `together`. */
const gatherings = new WeakMap<Connection, Together>();

function gathering(connection: Connection, count: number): Together | undefined {
  if (count < 2) return undefined;
  const known = gatherings.get(connection);
  if (known !== undefined && !known.isComplete) return known;
  const together = new Together(count);
  gatherings.set(connection, together);
  return together;
}

/** The options of `Move`, with their defaults. */
const MOVE_OPTIONS = {
  back: false,
  timeout_ms: 20_000,
  start: true,
  release: false,
  ends_old: false,
  together: 1,
};
type MoveOptions = typeof MOVE_OPTIONS;

/** @throws DriverError */
function moveOptions(given: ReadonlyMap<string, Variant>): MoveOptions {
  const options: MoveOptions = { ...MOVE_OPTIONS };
  for (const [key, { value }] of given) {
    const known = new Map<string, unknown>(Object.entries(MOVE_OPTIONS)).get(key);
    if (known === undefined || typeof value !== typeof known)
      throw new DriverError(
        ErrorName.InvalidArgs,
        `"${key}" is not an option, or its value has another type: ${Object.keys(MOVE_OPTIONS).join(', ')}`,
      );
    Object.assign(options, { [key]: value });
  }
  return options;
}

/** Moves a name; the client that asks for it gets a signal for each step. */
function move(
  call: Call,
  attachment: Attachment,
  name: string,
  options: MoveOptions,
): typeof LATER {
  const { connection, driver, reply, fail } = call;
  if (parseBusName(name) === undefined || !new NamePatterns(['*']).matches(name))
    throw new DriverError(ErrorName.InvalidArgs, `"${name}" is not a name that can be moved`);
  const { back, timeout_ms: timeoutMs, start, release, ends_old: endsOld, together } = options;
  const request: MigrationRequest = {
    name,
    requester: connection,
    timeoutMs,
    startsService: start,
    endsOld,
    releasesFirst: release,
    together: gathering(connection, together),
    report: (step, party) => {
      if (!connection.live) return;
      const fields = {
        type: MessageType.Signal,
        flags: MessageFlag.NoReplyExpected,
        path: DRIVER_PATH,
        interface: INTERFACE,
        member: PROGRESS,
        destination: connection.uniqueName,
        signature: 'sss',
      } as const;
      driver.sendTo(connection, fields, [name, step, JSON.stringify(party)]);
    },
    done: (result) => {
      attachment.log('info', 'a name was moved', { ...result, isBack: back });
      if (connection.live) reply([JSON.stringify(result)]);
    },
    failed: (error) => {
      attachment.log('warn', 'a name was not moved', { name, reason: error.message });
      if (connection.live) fail(error);
    },
  };
  attachment.migrations.start(request, back);
  return LATER;
}

/** What `Status` returns; the keys are documented in docs/adoption.md. */
export interface UplinkStatus {
  readonly address: string;
  readonly isUp: boolean;
  readonly imports: readonly string[];
  readonly exports: readonly string[];
  /** imported names with an owner: its unique names there and here */
  readonly imported: readonly {
    readonly name: string;
    readonly far: string;
    readonly here: string;
  }[];
  /** exported names that are owned here, and whether they are owned there by the same client */
  readonly exported: readonly {
    readonly name: string;
    readonly owner: string;
    readonly isClaimed: boolean;
  }[];
  readonly uplinks: number;
  readonly ghosts: number;
}

function statusOf({
  address,
  isUp,
  imports,
  exports,
  ghosts,
  uplinks,
  driver,
}: Attachment): UplinkStatus {
  const { names } = driver.registry;
  const exported = names.list().flatMap((name) => {
    const owner = names.primary(name);
    if (owner === undefined || ghosts.isGhost(owner) || !exports.patterns.matches(name)) return [];
    const isClaimed = uplinks.find(owner)?.claims.has(name) === true;
    return [{ name, owner: owner.uniqueName, isClaimed }];
  });
  const imported = [...imports.owned].map(([name, far]) => {
    return { name, far, here: ghosts.find(far)?.connection.uniqueName ?? '' };
  });
  return {
    address,
    isUp,
    imports: imports.patterns.texts,
    exports: exports.patterns.texts,
    imported,
    exported,
    uplinks: uplinks.size,
    ghosts: ghosts.size,
  };
}
