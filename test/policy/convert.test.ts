// Policy YAML that was made of busconfig XML means the same: the same model, and the same verdicts as dbus-daemon's.
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { lookupGroup, lookupUser } from '#core/linux/index.js';
import {
  ClientPolicies,
  Flow,
  convertBusconfig,
  explainMessage,
  nodePolicyIo,
  readConfig,
} from '#policy/index.js';
import type { BusConfig, MessageRule, Party, PolicyRule } from '#policy/index.js';
import { readMemoryFiles, MAIN } from './memory-io.js';
import { probeRealBus } from './real-bus.js';
import type { ProbeClient, ProbeMessage } from './real-bus.js';

const io = nodePolicyIo({
  lookupUser: (name) => lookupUser(name)?.uid,
  lookupGroup: (name) => lookupGroup(name)?.gid,
});

const SYSTEM = '/usr/share/dbus-1/system.conf';
const SYSTEM_D = '/usr/share/dbus-1/system.d';
const folder = mkdtempSync(join(tmpdir(), 'bus1-convert-'));
afterAll(() => rmSync(folder, { recursive: true }));

function read(path: string): BusConfig {
  const result = readConfig(path, io);
  if (!result.ok) throw new Error(result.errors.map(({ message }) => message).join('\n'));
  return result.config;
}

/** The rules without where they stand. */
function meaning({ policy, limits, listen, auth, serviceDirectories }: BusConfig): unknown {
  const strip = ({ file: _file, line: _line, column: _column, ...rule }: PolicyRule): unknown =>
    rule;
  const lists = Object.entries(policy).map(([audience, rules]) => [
    audience,
    rules instanceof Map
      ? [...rules].map(([id, list]: [number, PolicyRule[]]) => [id, list.map(strip)])
      : (rules as PolicyRule[]).map(strip),
  ]);
  return { lists, limits, listen, auth, serviceDirectories };
}

function allRules({ policy }: BusConfig): PolicyRule[] {
  return Object.values(policy).flatMap((rules: PolicyRule[] | Map<number, PolicyRule[]>) =>
    rules instanceof Map ? [...rules.values()].flat() : rules,
  );
}

function converted(xmlPath: string, name: string): string {
  const path = join(folder, name);
  writeFileSync(path, convertBusconfig(readFileSync(xmlPath, 'utf8')));
  return path;
}

const FILES = readdirSync(SYSTEM_D)
  .filter((name) => name.endsWith('.conf'))
  .toSorted();

describe('policy convert', () => {
  it.each(FILES)('%s: the same model', (name) => {
    const yaml = converted(join(SYSTEM_D, name), `model-${name}.yaml`);
    expect(meaning(read(yaml))).toEqual(meaning(read(join(SYSTEM_D, name))));
  });

  it('keeps comments, and the order of includes, policies and limits', () => {
    const xml = `<!-- first -->
      <busconfig>
        <!-- where -->
        <listen>unix:path=/tmp/bus</listen>
        <policy context="default">
          <!-- everybody
               who comes -->
          <allow user="*"/>
          <allow own="yes.no"/>
          <allow eavesdrop="true"/>
          <!-- no more -->
        </policy>
        <include ignore_missing="yes">other.conf</include>
        <limit name="max_message_size">100000</limit>
        <policy user="0"><deny receive_sender="a.b" receive_type="*" max_fds="2"/></policy>
        <!-- last -->
      </busconfig>`;
    const yaml = convertBusconfig(xml);
    expect(yaml.split('\n')).toEqual([
      '# first',
      '# where',
      'listen: ["unix:path=/tmp/bus"]',
      'policies:',
      '  - context: default',
      '    rules:',
      '      # everybody',
      '      # who comes',
      '      - allow: { connect: { user: "*" } }',
      '      - allow: { own: yes.no }',
      '      - allow: { send: { eavesdrop: true } }',
      '      # no more',
      '  - include: { path: other.conf, ignore_missing: true }',
      '  - limits:',
      '      max_message_size: 100000',
      '  - user: "0"',
      '    rules:',
      '      - deny: { receive: { sender: a.b, type: "*", max_fds: "2" } }',
      '# last',
      '',
    ]);
    const other = '<busconfig><limit name="max_message_size">5</limit></busconfig>';
    const from = (text: string, main: string): unknown => {
      const files = { [MAIN]: main, '/etc/bus.yaml': text, '/etc/other.conf': other };
      const result = readMemoryFiles(files);
      return result.ok ? meaning(result.config) : result.errors;
    };
    const include = '<busconfig><include>bus.yaml</include></busconfig>';
    expect(from(yaml, include)).toEqual(from('', xml));
  });

  it('refuses an order that YAML cannot keep', () => {
    const xml = '<busconfig><include>a</include><user>root</user></busconfig>';
    expect(() => convertBusconfig(xml)).toThrow('<user> after <include>');
  });
});

/**
 * Each name has an owner of its own: dbus-daemon reads the files of a directory in no order, which would show in what
 * may be said to a connection with names of several files. Two more call, and ask for every name.
 */
function clientsFor(config: BusConfig, names: readonly string[]): ProbeClient[] {
  const policies = new ClientPolicies(config.policy);
  const uids = [0, ...config.policy.byUser.keys()];
  const mayOwn = (uid: number, name: string): boolean =>
    policies.for({ uid, gids: [uid], atConsole: false }).canOwn(name).allowed;
  const owners = names.flatMap((name) => {
    const uid = uids.find((each) => mayOwn(each, name));
    return uid === undefined ? [] : [{ uid, gids: [uid], names: [name], matches: [] }];
  });
  const callers = [0, 1].map((uid) => ({ uid, gids: [uid], names: [], matches: [] }));
  return [...owners, ...callers, { uid: 1, gids: [1], names, matches: [] }];
}

const MORE: readonly Partial<MessageRule>[] = [
  { interface: 'org.example.Other', member: 'Other' },
  { interface: 'org.freedesktop.DBus.Properties', member: 'Get' },
  { interface: 'org.freedesktop.DBus.Introspectable', member: 'Introspect' },
];

interface Call extends ProbeMessage {
  readonly destination: string;
}

/** Calls that the rules are about, from everybody to everybody who has a name. */
function callsAbout(
  rules: readonly PolicyRule[],
  owners: ReadonlyMap<string, number>,
  clients: readonly ProbeClient[],
): Call[] {
  const calls = new Map<string, Call>();
  const about = rules.flatMap((rule) => (rule.kind === 'send' ? [rule] : []));
  for (const destination of owners.keys()) {
    const own = about.filter(({ peerName }) => peerName === destination);
    for (const rule of [...own, ...MORE]) {
      for (const from of clients.slice(-3, -1).map((client) => clients.indexOf(client))) {
        const call = {
          from,
          type: 1,
          destination,
          path: rule.path ?? '/org/example',
          interface: rule.interface ?? 'org.example.I',
          member: rule.member ?? 'M',
          fds: 0,
        };
        calls.set(JSON.stringify(call), call);
      }
    }
  }
  return [...calls.values()];
}

/** The answers to RequestName, and who owns what then. */
function ownership(config: BusConfig, clients: readonly ProbeClient[]) {
  const policies = new ClientPolicies(config.policy);
  const owners = new Map<string, number>();
  const parties: Party[] = [];
  const own = clients.map(({ uid, gids, names }, index) => {
    const policy = policies.for({ uid, gids, atConsole: false });
    const granted = names.filter((name) => policy.canOwn(name).allowed);
    parties.push({ policy, names: new Set([`:1.${index}`, ...granted]) });
    return names.map((name) => {
      if (!granted.includes(name)) return 'org.freedesktop.DBus.Error.AccessDenied';
      if (owners.has(name)) return 2;
      owners.set(name, index);
      return 1;
    });
  });
  return { own, owners, parties };
}

function verdicts(
  config: BusConfig,
  clients: readonly ProbeClient[],
  calls: readonly Call[],
): unknown {
  const { own, owners, parties } = ownership(config, clients);
  const messages = calls.map((call) => {
    const to = owners.get(call.destination)!;
    const { allowed } = explainMessage(parties[call.from], parties[to], Flow.Directed, {
      ...call,
      unixFds: 0,
    });
    return allowed
      ? { to: [to], error: null }
      : { to: [], error: 'org.freedesktop.DBus.Error.AccessDenied' };
  });
  return { own, messages };
}

describe('all of system.d, decided three ways', () => {
  it.skipIf(process.getuid!() !== 0)('dbus-daemon, XML and YAML agree', async () => {
    const text = readFileSync(SYSTEM, 'utf8');
    const policies = text.slice(text.indexOf('<policy context="default">'), text.lastIndexOf('<'));
    const system = policies
      .replace(/<include[ >].*?<\/include>/gsu, '')
      .replace(/<includedir>.*?<\/includedir>/gsu, '');
    const limit = '<limit name="max_replies_per_connection">50000</limit>';
    const elements = `${system}${limit}<includedir>${SYSTEM_D}</includedir>`;
    const xmlPath = join(folder, 'all.conf');
    writeFileSync(xmlPath, `<busconfig>${elements}</busconfig>`);
    const includes = FILES.map((name) => {
      const path = converted(join(SYSTEM_D, name), `${name}.yaml`);
      return `<include>${path}</include>`;
    });
    const mainPath = join(folder, 'main.yaml');
    const main = `<busconfig>${system}${limit}${includes.join('')}</busconfig>`;
    writeFileSync(mainPath, convertBusconfig(main));

    const [xml, yaml] = [read(xmlPath), read(mainPath)];
    const rules = allRules(xml);
    const named = rules.flatMap((rule) => (rule.kind === 'own' ? [rule.name ?? ''] : []));
    const names = [...new Set(named)].filter((name) => name !== '').toSorted();
    const clients = clientsFor(xml, names);
    const calls = callsAbout(rules, ownership(xml, clients).owners, clients);
    const live = await probeRealBus(elements, { clients, messages: calls, replies: [] });
    const real = { own: live.own, messages: live.messages };
    expect(verdicts(xml, clients, calls)).toEqual(real);
    expect(verdicts(yaml, clients, calls)).toEqual(real);
    const probes = calls.length + clients.reduce((sum, each) => sum + each.names.length, 0);
    process.stdout.write(
      `${FILES.length} files decided three ways: ${probes} probes, no difference\n`,
    );
    expect(probes).toBeGreaterThan(300);
  });
});
