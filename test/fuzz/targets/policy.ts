import { mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ClientPolicies,
  Flow,
  compileFacet,
  DRIVER_PARTY,
  lintConfig,
  nodePolicyIo,
  policyMessage,
  readConfig,
} from '#policy/index.js';
import type { BusConfig, PolicyRule } from '#policy/index.js';
import type { Random } from '../../core/random.js';
import { mutatedText } from '../random-text.js';
import { Find, type Place, type Target } from '../target.js';

interface Step {
  readonly name: string;
  readonly text: string;
  /** something else than a file, of that kind, under that name */
  readonly kind?: 'directory' | 'zero' | 'dangling' | 'loop' | 'huge';
}

const WORDS = [
  'allow',
  'deny',
  'policy',
  'busconfig',
  'includedir',
  'include',
  'limit',
  'user',
  'group',
  'context',
  'own',
  'own_prefix',
  'send_type',
  'send_destination',
  'send_interface',
  'send_member',
  'send_path',
  'send_error',
  'send_broadcast',
  'send_requested_reply',
  'receive_sender',
  'receive_type',
  'receive_interface',
  'eavesdrop',
  'min_fds',
  'max_fds',
  'log',
  'at_console',
  'method_call',
  'method-call',
  'signal',
  'root',
  'nobody',
  'default',
  'mandatory',
  'servicedir',
  'listen',
  'type',
  'auth',
  'selinux',
  'associate',
  'apparmor',
  'ignore_missing',
  'one',
];

const XML = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <policy user="root"><allow own="org.a.A"/><allow own_prefix="org.a"/></policy>
  <policy context="default">
    <deny own="org.a.A"/>
    <deny send_destination="org.a.A" send_interface="org.a.I" send_member="M" send_type="method_call"/>
    <deny send_destination="org.a.A" min_fds="1" max_fds="3"/>
    <allow send_destination_prefix="org.a" log="true"/>
    <deny receive_sender="org.a.A" receive_type="signal"/>
    <deny send_destination="org.a.A" send_broadcast="true"/>
    <deny send_destination="org.a.A" send_requested_reply="false" send_type="error"/>
    <deny receive_interface="org.a.I" eavesdrop="true"/>
    <deny user="nobody"/>
    <deny group="nogroup"/>
  </policy>
  <policy at_console="true"><allow send_path="/a"/></policy>
  <policy group="root"><allow send_error="a.b.E"/></policy>
  <limit name="max_match_rules_per_connection">512</limit>
  <selinux><associate own="org.a.A" context="x"/></selinux>
  <includedir>more</includedir>
  <include ignore_missing="yes">other.conf</include>
</busconfig>`;

const YAML = `policy:
  default:
    - deny: { own: org.a.A }
    - deny: { send_destination: org.a.A, send_interface: org.a.I, send_type: method_call }
    - allow: { send_destination: org.a.A, max_fds: 3 }
  users:
    root:
      - allow: { own_prefix: org.a }
limits:
  max_names_per_connection: 50
`;

function generate(random: Random): Step[] {
  const steps: Step[] = [];
  for (let count = 10 + random.below(40); count > 0; count--) {
    const isXml = random.chance(0.75);
    const name = isXml ? 'one.conf' : 'one.yaml';
    const text = mutatedText(random, isXml ? XML : YAML, WORDS);
    const kind = random.chance(0.05)
      ? random.pick(['directory', 'zero', 'dangling', 'loop', 'huge'] as const)
      : undefined;
    steps.push({ name, text, ...(kind === undefined ? {} : { kind }) });
  }
  return steps;
}

/** On top of these rules the file that is fuzzed comes: on their own they allow everything. */
const MAIN = `<busconfig><type>session</type><listen>unix:path=/nowhere</listen>
<policy context="default"><allow user="*"/><allow send_destination="*" eavesdrop="true"/>
<allow eavesdrop="true"/><allow own="*"/></policy>
<includedir>system.d</includedir>
</busconfig>`;

function write(path: string, { text, kind }: Step): void {
  if (kind === 'directory') mkdirSync(path);
  else if (kind === 'zero') symlinkSync('/dev/zero', path);
  else if (kind === 'dangling') symlinkSync('/nowhere/at/all', path);
  else if (kind === 'loop') symlinkSync(path, path);
  else writeFileSync(path, text);
  if (kind === 'huge') truncateSync(path, 2 ** 31);
}

const LOOKUPS = {
  lookupUser: (name: string): number | undefined => ({ root: 0, nobody: 65_534 })[name],
  lookupGroup: (name: string): number | undefined => ({ root: 0, nogroup: 65_534 })[name],
};

const CLIENT = { uid: 1000, gids: [1000], atConsole: false };

/** Goes through all that a bus does with a configuration. */
function use(config: BusConfig): void {
  lintConfig(config);
  const policy = new ClientPolicies(config.policy).for(CLIENT);
  policy.canOwn('org.a.A');
  const party = { policy, names: new Set(['org.a.B']) };
  for (const flow of Object.values(Flow)) {
    const facet = compileFacet(party, DRIVER_PARTY, flow);
    facet?.check(policyMessage({ type: 1, path: '/', interface: 'org.a.I', member: 'M' }));
  }
}

/** A rule of which something could not be read must not decide more than was meant. */
function decidesTooMuch(rule: PolicyRule): boolean {
  if (rule.kind === 'connect') return rule.user === '*' || rule.group === '*';
  if (rule.kind === 'own') return rule.name === undefined && rule.prefix === undefined;
  const { peerName, peerPrefix, interface: of, member, path, errorName } = rule;
  return [peerName, peerPrefix, of, member, path, errorName].every((part) => part === undefined);
}

function allRules({ policy }: BusConfig): PolicyRule[] {
  const grouped = [...policy.byUser.values(), ...policy.byGroup.values()].flat();
  return [...policy.default, ...policy.mandatory, ...grouped];
}

/** Policy files of the directories in which packages put theirs. */
export const policy: Target = {
  needsBus: false,
  generate,
  perform(steps, { folder }: Place) {
    const below = join(folder, `policy-${process.pid}`);
    const files = join(below, 'system.d');
    for (const step of steps as Step[]) {
      rmSync(below, { recursive: true, force: true });
      mkdirSync(files, { recursive: true });
      const main = join(below, 'main.conf');
      writeFileSync(main, MAIN);
      const file = join(files, step.name);
      write(file, step);
      const result = readConfig(main, nodePolicyIo(LOOKUPS));
      if (!result.ok)
        throw new Find(
          `a file in an includedir keeps the bus from starting: ${result.error.message}`,
        );
      use(result.config);
      const lines = new Set(result.diagnostics.map((found) => `${found.file}:${found.line}`));
      const wrong = allRules(result.config).find(
        (rule) =>
          !rule.allow &&
          rule.file === file &&
          lines.has(`${file}:${rule.line}`) &&
          decidesTooMuch(rule),
      );
      const isOneLine = wrong !== undefined && countOnLine(step.text, wrong.line) === 1;
      if (isOneLine)
        throw new Find(`line ${wrong.line} denies all: ${step.text.split('\n')[wrong.line - 1]}`);
    }
    rmSync(below, { recursive: true, force: true });
    return steps.length;
  },
};

/** Rules that begin on a line: with several of them a diagnostic may be about another one. */
function countOnLine(text: string, line: number): number {
  return [...(text.split('\n')[line - 1] ?? '').matchAll(/allow|deny/g)].length;
}
