import {
  MatchRuleFault,
  parseMatchRule,
  type MatchArgument,
  type MatchRule,
} from '#bridge/registry/match-rule.js';
import { parseBusName, isUniqueName } from '#bridge/wire/names.js';
import { signatureTypes } from '#bridge/wire/signature.js';
import { MessageType, TypeCode } from '#bridge/wire/types.js';
import type { Signal } from './signal.js';
import { DRIVER_NAME } from '#bridge/wire/standard-names.js';

/** Which signals to subscribe to: D-Bus Specification, "Match Rules". Absent keys match all. */
export interface SignalRule {
  /** unique or well-known name */
  readonly sender?: string | undefined;
  readonly interface?: string | undefined;
  readonly member?: string | undefined;
  readonly path?: string | undefined;
  /** this path and all below it; not together with `path` */
  readonly pathNamespace?: string | undefined;
  /** strings among the arguments, by index up to 63 */
  readonly args?: Readonly<Record<number, string>> | undefined;
  /** paths, or prefixes of paths, among the arguments, by index */
  readonly argPaths?: Readonly<Record<number, string>> | undefined;
  /** the first argument is this bus name, or one below it */
  readonly arg0Namespace?: string | undefined;
}

const KEYS = [
  ['sender', 'sender'],
  ['interface', 'interface'],
  ['member', 'member'],
  ['path', 'path'],
  ['pathNamespace', 'path_namespace'],
  ['arg0Namespace', 'arg0namespace'],
] as const;

/** A rule, or the text of one, ready for use. @throws TypeError */
export function signalRule(rule: SignalRule | string): MatchRule {
  const text = typeof rule === 'string' ? rule : textOf(rule);
  const parsed = parseMatchRule(/(?:^|,)\s*type\s*=/.test(text) ? text : `type='signal',${text}`);
  if (parsed instanceof MatchRuleFault) throw new TypeError(parsed.message);
  if (parsed.type !== MessageType.Signal)
    throw new TypeError(`match rule "${text}": it is not for signals`);
  return parsed;
}

function textOf(rule: SignalRule): string {
  const parts: string[] = [];
  const add = (key: string, value: string): void => {
    parts.push(`${key}='${value.replaceAll("'", String.raw`'\''`)}'`);
  };
  for (const [name, key] of KEYS) {
    const value = rule[name];
    if (value !== undefined) add(key, value);
  }
  for (const [index, value] of Object.entries(rule.args ?? {})) add(`arg${index}`, value);
  for (const [index, value] of Object.entries(rule.argPaths ?? {})) add(`arg${index}path`, value);
  return parts.join(',');
}

/** The sender of a rule, if it is a well-known name: its owner has to be known to match signals. */
export function wellKnownSender({ sender }: MatchRule): string | undefined {
  const isName = sender !== undefined && !isUniqueName(sender) && sender !== DRIVER;
  return isName ? sender : undefined;
}

const DRIVER = parseBusName(DRIVER_NAME);

/** Whether `rule` wants `signal`; `ownerOf` knows the owners of well-known names. */
export function wants(
  rule: MatchRule,
  signal: Signal,
  ownerOf: (name: string) => string | undefined,
): boolean {
  if (rule.member !== undefined && rule.member !== signal.member) return false;
  if (rule.interface !== undefined && rule.interface !== signal.interface) return false;
  if (rule.path !== undefined && rule.path !== signal.path) return false;
  if (rule.pathNamespace !== undefined && !isWithin(signal.path, rule.pathNamespace, '/'))
    return false;
  if (rule.destination !== undefined && rule.destination !== signal.destination) return false;
  if (rule.sender !== undefined) {
    const name = wellKnownSender(rule);
    if ((name === undefined ? rule.sender : ownerOf(name)) !== signal.sender) return false;
  }
  return rule.args.every((argument) => hasArgument(signal, argument));
}

function hasArgument({ body, signature }: Signal, { index, kind, value }: MatchArgument): boolean {
  const given = body[index];
  if (typeof given !== 'string') return false;
  const code = signatureTypes(signature)[index]?.code;
  if (kind === 'path') {
    if (code !== TypeCode.String && code !== TypeCode.ObjectPath) return false;
    return given === value || isBelow(given, value) || isBelow(value, given);
  }
  if (code !== TypeCode.String) return false;
  return kind === 'string' ? given === value : isWithin(given, value, '.');
}

function isWithin(name: string, namespace: string, separator: string): boolean {
  return name === namespace || namespace === separator || name.startsWith(namespace + separator);
}

function isBelow(path: string, directory: string): boolean {
  return directory.endsWith('/') && path.startsWith(directory);
}
