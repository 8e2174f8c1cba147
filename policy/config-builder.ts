import { posix } from 'node:path';
import { addServiceDirectory, emptyConfig } from './config.js';
import type { AppArmorMode, BusConfig } from './config.js';
import { ConfigSyntaxError, diagnosticAt } from './diagnostic.js';
import type { Diagnostic, DiagnosticCode, SourcePosition } from './diagnostic.js';
import { resolveGroup, resolveUser } from './io.js';
import type { PolicyIo } from './io.js';
import { parseLimit } from './limits.js';
import { rulesOf } from './policy-rules.js';
import type { Audience } from './policy-rules.js';
import type { Role } from './role.js';
import { readRule } from './rule-reader.js';
import type { Attributes } from './rule-reader.js';

export interface IncludeOptions {
  readonly ignoreMissing: boolean;
  readonly ifSelinuxEnabled: boolean;
  readonly selinuxRootRelative: boolean;
}

/** What a file needs of the reader that is reading it. */
export interface Includer {
  readonly io: PolicyIo;
  report(diagnostic: Diagnostic): void;
  include(target: BusConfig, path: string, options: IncludeOptions, at: SourcePosition): void;
  includeDirectory(target: BusConfig, path: string, at: SourcePosition): void;
}

export const TEXT_ELEMENTS = [
  'user',
  'type',
  'listen',
  'auth',
  'pidfile',
  'servicedir',
  'servicehelper',
] as const;
export type TextElement = (typeof TEXT_ELEMENTS)[number];

export const FLAG_ELEMENTS = [
  'fork',
  'keep_umask',
  'syslog',
  'allow_anonymous',
  'standard_session_servicedirs',
  'standard_system_servicedirs',
] as const;
export type FlagElement = (typeof FLAG_ELEMENTS)[number];

const APPARMOR_MODES: readonly AppArmorMode[] = ['required', 'enabled', 'disabled'];

/** Collects the settings of one file, in file order, from the XML or the YAML parser. */
export class ConfigFileBuilder {
  readonly config: BusConfig = emptyConfig();
  /** What is wrong in the file itself, in file order. With any of it, nothing of the file may apply. */
  readonly errors: Diagnostic[] = [];
  readonly #file: string;
  readonly #includer: Includer;

  constructor(file: string, includer: Includer) {
    this.#file = file;
    this.#includer = includer;
    this.config.files.push(file);
  }

  get io(): PolicyIo {
    return this.#includer.io;
  }

  /** With an error, nothing of the file may apply. */
  take(diagnostic: Diagnostic): void {
    if (diagnostic.severity === 'error') this.errors.push(diagnostic);
    else this.#includer.report(diagnostic);
  }

  setText(element: TextElement, text: string): void {
    const { config } = this;
    switch (element) {
      case 'user':
        config.user = text;
        break;
      case 'type':
        config.busType = text;
        break;
      case 'pidfile':
        config.pidFile = text;
        break;
      case 'listen':
        config.listen.push(text);
        break;
      case 'auth':
        config.auth.push(text);
        break;
      case 'servicehelper':
        config.serviceHelper = this.#fullPath(text);
        break;
      case 'servicedir':
        addServiceDirectory(config, { kind: 'directory', path: this.#fullPath(text) });
        break;
    }
  }

  setFlag(element: FlagElement): void {
    const { config } = this;
    switch (element) {
      case 'fork':
        config.fork = true;
        break;
      case 'keep_umask':
        config.keepUmask = true;
        break;
      case 'syslog':
        config.syslog = true;
        break;
      case 'allow_anonymous':
        config.allowAnonymous = true;
        break;
      case 'standard_session_servicedirs':
        addServiceDirectory(config, { kind: 'standard-session' });
        break;
      case 'standard_system_servicedirs':
        addServiceDirectory(config, { kind: 'standard-system' });
        break;
    }
  }

  warn(code: DiagnosticCode, at: SourcePosition, message: string): void {
    this.#includer.report(diagnosticAt('warning', code, at, message));
  }

  setLimit(name: string, text: string, at: SourcePosition): void {
    const limit = parseLimit(name, text);
    if (typeof limit === 'string') {
      this.errors.push(diagnosticAt('error', 'bad-limit', at, limit));
      return;
    }
    this.config.limits[limit.key] = limit.value;
    if (limit.oddly !== undefined) this.warn('odd-number', at, limit.oddly);
  }

  setAppArmorMode(mode: string, at: SourcePosition): void {
    const known = APPARMOR_MODES.find((candidate) => candidate === mode);
    if (known === undefined) {
      const message = `AppArmor mode must be required, enabled or disabled, not "${mode}"`;
      throw new ConfigSyntaxError('bad-attribute', at, message);
    }
    this.config.appArmorMode = known;
  }

  associate(own: string, context: string, at: SourcePosition): void {
    const { file, line, column } = at;
    this.config.selinuxAssociations.push({ own, context, file, line, column });
  }

  include(path: string, options: IncludeOptions, at: SourcePosition): void {
    this.#includer.include(this.config, path, options, at);
  }

  includeDirectory(path: string, at: SourcePosition): void {
    this.#includer.includeDirectory(this.config, path, at);
  }

  /** Whom a <policy> is about; undefined if it names a user or group that does not exist. */
  audience(attributes: Attributes, at: SourcePosition): Audience | undefined {
    const [first, ...more] = attributes.keys();
    if (first === undefined || more.length > 0) {
      const message = 'a policy needs exactly one of context, user, group and at_console';
      throw new ConfigSyntaxError('bad-policy', at, message);
    }
    const value = attributes.get(first)!.value;
    if (first === 'user' || first === 'group') return this.#namedAudience(first, attributes);
    if (first === 'context' && (value === 'default' || value === 'mandatory'))
      return { kind: value };
    if (first === 'at_console' && (value === 'true' || value === 'false')) {
      return { kind: 'console', atConsole: value === 'true' };
    }
    const allowed = first === 'context' ? 'default or mandatory' : 'true or false';
    const message = `${first} of a policy must be ${allowed}, not "${value}"`;
    throw new ConfigSyntaxError('bad-policy', attributes.get(first)!.at, message);
  }

  #namedAudience(kind: 'user' | 'group', attributes: Attributes): Audience | undefined {
    const { value, at } = attributes.get(kind)!;
    const { io } = this;
    const id = kind === 'user' ? resolveUser(value, io) : resolveGroup(value, io);
    if (id === undefined) {
      const message = `there is no ${kind} "${value}"; its policy is ignored`;
      this.warn(`unknown-${kind}`, at, message);
      return undefined;
    }
    return kind === 'user' ? { kind, uid: id } : { kind, gid: id };
  }

  addRule(
    allow: boolean,
    attributes: Attributes,
    audience: Audience | undefined,
    at: SourcePosition,
  ): void {
    const reading = readRule({ allow, at, attributes, audience }, this.io);
    for (const diagnostic of reading.diagnostics) this.take(diagnostic);
    if (audience !== undefined) rulesOf(this.config.policy, audience).push(...reading.rules);
  }

  addRoles(roles: readonly Role[]): void {
    this.config.policy.roles.push(...roles);
  }

  #fullPath(path: string): string {
    return posix.resolve(posix.dirname(this.#file), path);
  }
}
