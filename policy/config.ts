import { appendPolicyRules, emptyPolicyRules } from './policy-rules.js';
import type { PolicyRules } from './policy-rules.js';
import type { SourcePosition } from './diagnostic.js';
import type { BusLimits } from './limits.js';

/** Where .service files are looked for; the standard sets depend on the environment of the bus. */
export type ServiceDirectory =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'standard-session' }
  | { readonly kind: 'standard-system' };

export type AppArmorMode = 'required' | 'enabled' | 'disabled';

/** <selinux><associate own= context=/></selinux> */
export interface SelinuxAssociation extends SourcePosition {
  readonly own: string;
  readonly context: string;
}

/** The settings of a file and of everything that it includes. Plain data: it survives a structured clone. */
export interface BusConfig {
  busType?: string;
  user?: string;
  pidFile?: string;
  serviceHelper?: string;
  fork: boolean;
  keepUmask: boolean;
  syslog: boolean;
  allowAnonymous: boolean;
  /** D-Bus addresses, in file order. */
  readonly listen: string[];
  /** Allowed SASL mechanisms; empty means all that are known. */
  readonly auth: string[];
  readonly serviceDirectories: ServiceDirectory[];
  /** Limits that were set; the defaults are DEFAULT_LIMITS. */
  readonly limits: Partial<BusLimits>;
  readonly policy: PolicyRules;
  readonly selinuxAssociations: SelinuxAssociation[];
  appArmorMode?: AppArmorMode;
  /** Files that were read and directories that were listed: what to watch for a reload. */
  readonly files: string[];
  readonly directories: string[];
}

export function emptyConfig(): BusConfig {
  return {
    fork: false,
    keepUmask: false,
    syslog: false,
    allowAnonymous: false,
    listen: [],
    auth: [],
    serviceDirectories: [],
    limits: {},
    policy: emptyPolicyRules(),
    selinuxAssociations: [],
    files: [],
    directories: [],
  };
}

function serviceDirectoryKey(directory: ServiceDirectory): string {
  return directory.kind === 'directory' ? directory.path : `<${directory.kind}>`;
}

/** Adds a service directory unless it is there: the first mention decides precedence. */
export function addServiceDirectory(config: BusConfig, directory: ServiceDirectory): void {
  const key = serviceDirectoryKey(directory);
  if (config.serviceDirectories.some((known) => serviceDirectoryKey(known) === key)) return;
  config.serviceDirectories.push(directory);
}

/** Adds an included file's settings to those read so far: its scalars replace earlier ones, its lists are appended. */
export function appendConfig(target: BusConfig, source: BusConfig): void {
  const { busType, user, pidFile, serviceHelper, appArmorMode } = source;
  if (busType !== undefined) target.busType = busType;
  if (user !== undefined) target.user = user;
  if (pidFile !== undefined) target.pidFile = pidFile;
  if (serviceHelper !== undefined) target.serviceHelper = serviceHelper;
  if (appArmorMode !== undefined) target.appArmorMode = appArmorMode;
  target.fork ||= source.fork;
  target.keepUmask ||= source.keepUmask;
  target.syslog ||= source.syslog;
  target.allowAnonymous ||= source.allowAnonymous;
  target.listen.push(...source.listen);
  target.auth.push(...source.auth);
  for (const directory of source.serviceDirectories) addServiceDirectory(target, directory);
  Object.assign(target.limits, source.limits);
  appendPolicyRules(target.policy, source.policy);
  target.selinuxAssociations.push(...source.selinuxAssociations);
  target.files.push(...source.files);
  target.directories.push(...source.directories);
}
