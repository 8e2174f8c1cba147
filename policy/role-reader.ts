import * as v from 'valibot';
import { diagnosticAt } from './diagnostic.js';
import type { Diagnostic, SourcePosition } from './diagnostic.js';
import { resolveGroup, resolveUser } from './io.js';
import type { PolicyIo } from './io.js';
import { INTERFACE, MEMBER, OBJECT_PATH, WELL_KNOWN_NAME } from './names.js';
import { QUOTAS, rulesOfGrant } from './role.js';
import type { GrantKind, Quotas, Role, RoleConditions, RoleGrant } from './role.js';

const Id = v.union([v.string(), v.number()]);
const Ids = v.union([Id, v.array(Id)]);
const Texts = v.union([v.string(), v.array(v.string())]);
const Messages = v.array(
  v.union([
    v.string(),
    v.strictObject({
      name: v.string(),
      interface: v.optional(v.string()),
      member: v.optional(v.string()),
      path: v.optional(v.string()),
    }),
  ]),
);
const Quota = v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)));
type QuotaName = keyof typeof QUOTAS;
const QUOTA_NAMES = Object.keys(QUOTAS).filter((name): name is QuotaName =>
  Object.hasOwn(QUOTAS, name),
);

const RoleBody = v.strictObject({
  for: v.strictObject({
    user: v.optional(Ids),
    group: v.optional(Ids),
    executable: v.optional(Texts),
    unit: v.optional(Texts),
    user_unit: v.optional(Texts),
    cgroup: v.optional(Texts),
    label: v.optional(Texts),
    listener: v.optional(Texts),
  }),
  see: v.optional(Texts),
  talk: v.optional(Texts, []),
  own: v.optional(Texts, []),
  call: v.optional(Messages, []),
  hear: v.optional(Messages, []),
  quotas: v.optional(v.strictObject(v.entriesFromList(QUOTA_NAMES, Quota)), {}),
});
type RoleBody = v.InferOutput<typeof RoleBody>;

/** `roles` of policy YAML (docs/policy.md). */
export const Roles = v.record(v.string(), RoleBody);

/** What reading roles needs of the file that they stand in. */
export interface RoleSource {
  readonly io: PolicyIo;
  /** where the value at a path of keys stands */
  at(path: readonly unknown[]): SourcePosition;
  report(diagnostic: Diagnostic): void;
}

/** The roles of a file, in its order. Mistakes are reported as errors, which make the file unusable. */
export function readRoles(roles: v.InferOutput<typeof Roles>, source: RoleSource): Role[] {
  return Object.entries(roles).map(([name, body]) => new RoleReader(name, body, source).read());
}

class RoleReader {
  private readonly name: string;
  private readonly body: RoleBody;
  private readonly source: RoleSource;

  constructor(name: string, body: RoleBody, source: RoleSource) {
    this.name = name;
    this.body = body;
    this.source = source;
  }

  read(): Role {
    const { name, body } = this;
    const conditions = this.conditions();
    const grants = [
      ...this.names('see', body.see ?? []),
      ...this.names('talk', body.talk),
      ...this.names('own', body.own),
      ...this.messages('call'),
      ...this.messages('hear'),
    ];
    return {
      ...this.at([]),
      name,
      conditions,
      grants,
      rules: grants.flatMap((grant) => rulesOfGrant(grant, name)),
      isConfined: body.see !== undefined,
      quotas: this.quotas(),
    };
  }

  private at(path: readonly unknown[]): SourcePosition {
    const { file, line, column } = this.source.at(['roles', this.name, ...path]);
    return { file, line, column };
  }

  private bad(path: readonly unknown[], message: string): void {
    const text = `role "${this.name}": ${message}`;
    this.source.report(diagnosticAt('error', 'bad-role', this.at(path), text));
  }

  private conditions(): RoleConditions {
    const given = this.body.for;
    if (Object.keys(given).length === 0) {
      this.bad(['for'], 'it has no conditions; for everybody, write user: "*"');
    }
    const paths = ['executable', 'cgroup'] as const;
    for (const key of paths) {
      for (const path of listOf(given[key])) {
        if (!path.startsWith('/')) this.bad(['for', key], `"${path}" is not an absolute path`);
      }
    }
    return {
      ...(given.user !== undefined && { user: this.ids('user', given.user) }),
      ...(given.group !== undefined && { group: this.groups(given.group) }),
      ...(given.executable !== undefined && { executable: listOf(given.executable) }),
      ...(given.unit !== undefined && { unit: listOf(given.unit) }),
      ...(given.user_unit !== undefined && { userUnit: listOf(given.user_unit) }),
      ...(given.cgroup !== undefined && { cgroup: listOf(given.cgroup) }),
      ...(given.label !== undefined && { label: listOf(given.label) }),
      ...(given.listener !== undefined && { listener: listOf(given.listener) }),
    };
  }

  private groups(given: v.InferOutput<typeof Ids>): number[] {
    return this.ids('group', given).filter((each) => each !== '*');
  }

  /** Users or groups by number. Those that do not exist are left out with a warning, as in a policy. */
  private ids(kind: 'user' | 'group', given: v.InferOutput<typeof Ids>): (number | '*')[] {
    const { io } = this.source;
    return listOf<string | number>(given).flatMap((each, index): (number | '*')[] => {
      const text = String(each);
      if (kind === 'user' && text === '*') return ['*'];
      const id = kind === 'user' ? resolveUser(text, io) : resolveGroup(text, io);
      if (id !== undefined) return [id];
      const message = `there is no ${kind} "${text}"; role "${this.name}" is not for it`;
      const at = this.at(['for', kind, index]);
      this.source.report(diagnosticAt('warning', `unknown-${kind}`, at, message));
      return [];
    });
  }

  private names(kind: GrantKind, given: v.InferOutput<typeof Texts>): RoleGrant[] {
    return listOf(given).map((text, index) => {
      const path = typeof given === 'string' ? [kind] : [kind, index];
      return this.grant(kind, text, path);
    });
  }

  private messages(kind: 'call' | 'hear'): RoleGrant[] {
    return this.body[kind].map((given, index) => {
      const path = [kind, index];
      if (typeof given === 'string') return this.grant(kind, given, path);
      const { interface: iface, member, path: objectPath } = given;
      this.checkForm(iface, INTERFACE, 'an interface name', [...path, 'interface']);
      this.checkForm(member, MEMBER, 'a member name', [...path, 'member']);
      this.checkForm(objectPath, PATH_PATTERN, 'an object path, nor PATH/*', [...path, 'path']);
      if (member !== undefined && iface === undefined && objectPath === undefined) {
        this.bad([...path, 'member'], 'member needs interface or path beside it');
      }
      const grant = this.grant(kind, given.name, [...path, 'name']);
      return { ...grant, interface: iface, member, ...pathOf(objectPath) };
    });
  }

  private grant(kind: GrantKind, text: string, path: readonly unknown[]): RoleGrant {
    const isSubtree = text.endsWith('.*');
    const name = isSubtree ? text.slice(0, -2) : text;
    const isName = WELL_KNOWN_NAME.test(isSubtree ? `${name}.x` : name);
    if (!isName) this.bad(path, `"${text}" is not a name of a service, nor NAME.*`);
    return { kind, name, isSubtree, ...this.at(path) };
  }

  private checkForm(
    text: string | undefined,
    form: RegExp,
    what: string,
    path: readonly unknown[],
  ): void {
    if (text !== undefined && !form.test(text)) this.bad(path, `"${text}" is not ${what}`);
  }

  private quotas(): Quotas {
    const given = this.body.quotas;
    const set = QUOTA_NAMES.filter((name) => given[name] !== undefined);
    return Object.fromEntries(set.map((name) => [QUOTAS[name], given[name]]));
  }
}

/** `/a/b`, or `/a/b/*` for the objects below it as well. */
const PATH_PATTERN = new RegExp(String.raw`${OBJECT_PATH.source}|^(\/\w+)*\/\*$`, 'u');

function pathOf(text: string | undefined): Pick<RoleGrant, 'path' | 'isPathSubtree'> {
  if (text?.endsWith('/*') !== true) return { path: text };
  return { path: text.slice(0, -2), isPathSubtree: true };
}

function listOf<T extends string | number>(given: T | readonly T[] | undefined): readonly T[] {
  if (given === undefined) return [];
  return typeof given === 'object' ? given : [given];
}
