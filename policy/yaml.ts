import * as v from 'valibot';
import { parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { FLAG_ELEMENTS, TEXT_ELEMENTS } from './config-builder.js';
import type { ConfigFileBuilder } from './config-builder.js';
import { ConfigSyntaxError } from './diagnostic.js';
import type { SourcePosition, SourceText } from './diagnostic.js';
import { Roles, readRoles } from './role-reader.js';
import type { Attribute, Attributes } from './rule-reader.js';

const Scalar = v.union([v.string(), v.number(), v.boolean()]);
const TextList = v.union([v.string(), v.array(v.string())]);
const Flag = v.optional(v.boolean(), false);

/** What a rule is about; its fields are checked by the same reader as XML attributes. */
const RuleBody = v.strictObject({
  connect: v.optional(v.record(v.string(), Scalar)),
  own: v.optional(v.string()),
  own_prefix: v.optional(v.string()),
  send: v.optional(v.union([v.literal('*'), v.record(v.string(), Scalar)])),
  receive: v.optional(v.union([v.literal('*'), v.record(v.string(), Scalar)])),
});
type RuleBody = v.InferOutput<typeof RuleBody>;

const Include = v.union([
  v.string(),
  v.strictObject({
    path: v.string(),
    ignore_missing: Flag,
    if_selinux_enabled: Flag,
    selinux_root_relative: Flag,
  }),
]);

const Limits = v.record(v.string(), v.union([v.number(), v.string()]));

const Policy = v.strictObject({
  context: v.optional(Scalar),
  user: v.optional(Scalar),
  group: v.optional(Scalar),
  at_console: v.optional(Scalar),
  rules: v.array(
    v.union([v.strictObject({ allow: RuleBody }), v.strictObject({ deny: RuleBody })]),
  ),
});
type Policy = v.InferOutput<typeof Policy>;

/** Other items whose position among the policies matters. */
const InOrder = v.strictObject({
  include: v.optional(Include),
  includedir: v.optional(v.string()),
  limits: v.optional(Limits),
});
type InOrder = v.InferOutput<typeof InOrder>;

const PolicyFile = v.strictObject({
  ...v.entriesFromList(TEXT_ELEMENTS, v.optional(TextList)),
  ...v.entriesFromList(FLAG_ELEMENTS, Flag),
  apparmor: v.optional(v.string()),
  limits: v.optional(Limits, {}),
  selinux: v.optional(v.record(v.string(), v.string()), {}),
  include: v.optional(v.array(Include), []),
  includedir: v.optional(TextList, []),
  policies: v.optional(v.array(v.union([Policy, InOrder])), []),
  roles: v.optional(Roles, {}),
});
type PolicyFile = v.InferOutput<typeof PolicyFile>;

/** Fields that keep their name in XML; all others get `send_` or `receive_` in front. */
const MODIFIERS = new Set(['eavesdrop', 'min_fds', 'max_fds', 'log']);

/**
 * Parses the policy YAML described in docs/policy.md into `builder`; it can express what busconfig
 * XML can. Includes come first and the file's own policies after them, whatever their order in the
 * file. Throws ConfigSyntaxError where the file as a whole cannot be trusted.
 */
export function parsePolicyYaml(source: SourceText, builder: ConfigFileBuilder): void {
  new PolicyYamlParser(source, builder).parse();
}

class PolicyYamlParser {
  readonly #source: SourceText;
  readonly #builder: ConfigFileBuilder;
  readonly #document: Document;

  constructor(source: SourceText, builder: ConfigFileBuilder) {
    this.#source = source;
    this.#builder = builder;
    this.#document = parseDocument(source.text, { prettyErrors: false, logLevel: 'silent' });
  }

  parse(): void {
    const file = this.#read();
    for (const element of TEXT_ELEMENTS) {
      for (const text of asList(file[element])) this.#builder.setText(element, text);
    }
    for (const element of FLAG_ELEMENTS) if (file[element]) this.#builder.setFlag(element);
    if (file.apparmor !== undefined) {
      this.#builder.setAppArmorMode(file.apparmor, this.#at(['apparmor']));
    }
    this.#limits(file.limits, []);
    for (const [own, context] of Object.entries(file.selinux)) {
      this.#builder.associate(own, context, this.#at(['selinux', own]));
    }
    this.#includes(file);
    for (const [index, entry] of file.policies.entries()) {
      const path = ['policies', index];
      if ('rules' in entry) this.#policy(entry, path);
      else this.#inOrder(entry, path);
    }
    const roles = readRoles(file.roles, {
      io: this.#builder.io,
      at: (path) => this.#at(path),
      report: (diagnostic) => this.#builder.take(diagnostic),
    });
    this.#builder.addRoles(roles);
  }

  #limits(limits: v.InferOutput<typeof Limits>, path: readonly unknown[]): void {
    for (const [name, value] of Object.entries(limits)) {
      this.#builder.setLimit(name, String(value), this.#at([...path, 'limits', name]));
    }
  }

  #inOrder({ include, includedir, limits }: InOrder, path: readonly unknown[]): void {
    if (include !== undefined) this.#include(include, this.#at([...path, 'include']));
    if (includedir !== undefined) {
      this.#builder.includeDirectory(includedir, this.#at([...path, 'includedir']));
    }
    this.#limits(limits ?? {}, path);
  }

  #read(): PolicyFile {
    const [malformed] = this.#document.errors;
    if (malformed !== undefined) throw this.#malformed(malformed.pos[0], malformed.message);
    const result = v.safeParse(PolicyFile, this.#values() ?? {});
    if (result.success) return result.output;
    const issue = deepestIssue(result.issues[0]);
    const path = issue.path?.map(({ key }) => key) ?? [];
    const where = path.length === 0 ? 'the file' : path.join('.');
    throw new ConfigSyntaxError('malformed', this.#at(path), `${where}: ${complaint(issue)}`);
  }

  #malformed(offset: number, message: string): ConfigSyntaxError {
    const at = this.#source.positionAt(offset);
    return new ConfigSyntaxError('malformed', at, `malformed YAML: ${message}`);
  }

  /** The document as plain values; an alias without anchor, or too many of them, throw here. */
  #values(): unknown {
    try {
      const values: unknown = this.#document.toJS();
      return values;
    } catch (error) {
      throw this.#malformed(0, error instanceof Error ? error.message : String(error));
    }
  }

  /** Where the value at `path` stands, or the innermost thing around it that is there. */
  #at(path: readonly unknown[]): SourcePosition {
    for (let length = path.length; length > 0; length--) {
      const node: unknown = this.#document.getIn(path.slice(0, length), true);
      if (hasRange(node)) return this.#source.positionAt(node.range[0]);
    }
    return this.#source.positionAt(0);
  }

  #includes(file: PolicyFile): void {
    for (const [index, include] of file.include.entries()) {
      this.#include(include, this.#at(['include', index]));
    }
    const at = this.#at(['includedir']);
    for (const path of asList(file.includedir)) this.#builder.includeDirectory(path, at);
  }

  #include(include: v.InferOutput<typeof Include>, at: SourcePosition): void {
    const options = typeof include === 'string' ? undefined : include;
    this.#builder.include(
      typeof include === 'string' ? include : include.path,
      {
        ignoreMissing: options?.ignore_missing ?? false,
        ifSelinuxEnabled: options?.if_selinux_enabled ?? false,
        selinuxRootRelative: options?.selinux_root_relative ?? false,
      },
      at,
    );
  }

  #policy({ rules, ...audience }: Policy, path: readonly unknown[]): void {
    const attributes = this.#attributes(path, audience);
    const known = this.#builder.audience(attributes, this.#at(path));
    for (const [ruleIndex, rule] of rules.entries()) {
      const allow = 'allow' in rule;
      const bodyPath = [...path, 'rules', ruleIndex, allow ? 'allow' : 'deny'];
      const ruleAttributes = this.#ruleAttributes(bodyPath, allow ? rule.allow : rule.deny);
      const at = this.#at([...path, 'rules', ruleIndex]);
      this.#builder.addRule(allow, ruleAttributes, known, at);
    }
  }

  /** The rule as the attributes it would have in XML. */
  #ruleAttributes(path: readonly unknown[], body: RuleBody): Attributes {
    const { connect, send, receive, ...own } = body;
    const attributes = new Map(this.#attributes(path, own));
    for (const entry of this.#attributes([...path, 'connect'], connect ?? {})) {
      attributes.set(...entry);
    }
    for (const [side, fields] of [['send', send] as const, ['receive', receive] as const]) {
      if (fields === undefined) continue;
      const given = fields === '*' ? { type: '*' } : fields;
      for (const [name, attribute] of this.#attributes([...path, side], given)) {
        attributes.set(MODIFIERS.has(name) ? name : `${side}_${name}`, attribute);
      }
    }
    return attributes;
  }

  #attributes(path: readonly unknown[], values: Readonly<Record<string, unknown>>): Attributes {
    const attributes = new Map<string, Attribute>();
    for (const [name, value] of Object.entries(values)) {
      attributes.set(name, { value: String(value), at: this.#at([...path, name]) });
    }
    return attributes;
  }
}

function asList(value: string | readonly string[] | undefined): readonly string[] {
  if (value === undefined) return [];
  return typeof value === 'string' ? [value] : value;
}

function hasRange(node: unknown): node is { readonly range: readonly [number, number, number] } {
  return typeof node === 'object' && node !== null && 'range' in node && Array.isArray(node.range);
}

interface Issue {
  readonly message: string;
  readonly expected?: string | null | undefined;
  readonly path?: readonly { readonly key: unknown }[] | undefined;
  readonly issues?: readonly Issue[] | undefined;
}

function complaint(issue: Issue): string {
  return issue.expected === 'never' ? 'there is no such key' : issue.message;
}

/** Of the issues of a union's alternatives, the one at the deepest path is the most specific. */
function deepestIssue(issue: Issue): Issue {
  const inner = (issue.issues ?? []).map((nested) => deepestIssue(nested));
  const deepest = inner.toSorted((a, b) => (b.path?.length ?? 0) - (a.path?.length ?? 0))[0];
  if (deepest === undefined || (deepest.path?.length ?? 0) === 0) return issue;
  return { ...deepest, path: [...(issue.path ?? []), ...(deepest.path ?? [])] };
}
