import { describe, expect, it } from 'vitest';
import { formatDiagnostic, readConfig } from '#policy/index.js';
import type { BusConfig, ConfigResult } from '#policy/index.js';
import { memoryIo, readMemoryConfig } from './memory-io.js';
import type { MemoryFiles } from './memory-io.js';

const FILE = '/etc/bus.yaml';

function readYaml(text: string, files: MemoryFiles = {}): ConfigResult {
  return readConfig(FILE, memoryIo({ ...files, [FILE]: text }));
}

function goodYaml(text: string, files?: MemoryFiles): BusConfig {
  const result = readYaml(text, files);
  if (!result.ok) throw new Error(formatDiagnostic(result.error));
  expect(result.diagnostics).toEqual([]);
  return result.config;
}

/** The policy without the places where its rules stand. */
function withoutPositions(config: BusConfig): unknown {
  const plain = (_key: string, value: unknown): unknown => {
    if (value instanceof Map) return [...value];
    if (typeof value !== 'object' || value === null || !('line' in value)) return value;
    return { ...value, file: '', line: 0, column: 0 };
  };
  return JSON.parse(JSON.stringify(config.policy, plain));
}

describe('policy YAML', () => {
  it('says what busconfig XML says', () => {
    const config = goodYaml(`
type: system
user: messagebus
listen: [unix:path=/run/a, unix:path=/run/b]
auth: EXTERNAL
fork: true
servicedir: services
standard_system_servicedirs: true
apparmor: enabled
limits:
  max_message_size: 1000
  auth_timeout: "0x10"
selinux:
  org.example.A: foo_t
policies:
  - context: default
    rules:
      - allow: { connect: { user: '*' } }
      - deny: { own: '*' }
      - deny: { send: { type: method_call, min_fds: 1 } }
      - allow: { receive: '*' }
  - user: alice
    rules:
      - allow: { own_prefix: org.example }
      - allow: { send: { destination: org.example.A, interface: i.I, member: M, log: true } }
      - deny: { receive: { sender: org.example.B, eavesdrop: true } }
  - at_console: true
    rules:
      - allow: { send: { path: /a, broadcast: false, requested_reply: false } }
`);
    expect(config).toMatchObject({
      busType: 'system',
      user: 'messagebus',
      listen: ['unix:path=/run/a', 'unix:path=/run/b'],
      auth: ['EXTERNAL'],
      fork: true,
      serviceDirectories: [
        { kind: 'directory', path: '/etc/services' },
        { kind: 'standard-system' },
      ],
      appArmorMode: 'enabled',
      limits: { maxMessageBytes: 1000, authTimeoutMs: 16 },
      selinuxAssociations: [{ own: 'org.example.A', context: 'foo_t', line: 14 }],
    });
    const xml = readMemoryConfig(`<busconfig>
<policy context="default">
  <allow user="*"/>
  <deny own="*"/>
  <deny send_type="method_call" min_fds="1"/>
  <allow receive_type="*"/>
</policy>
<policy user="alice">
  <allow own_prefix="org.example"/>
  <allow send_destination="org.example.A" send_interface="i.I" send_member="M" log="true"/>
  <deny receive_sender="org.example.B" eavesdrop="true"/>
</policy>
<policy at_console="true">
  <allow send_path="/a" send_broadcast="false" send_requested_reply="false"/>
</policy>
</busconfig>`);
    expect(withoutPositions(config)).toEqual(withoutPositions(xml.config));
    expect(config.policy.default[1]).toMatchObject({ file: FILE, line: 19, column: 9 });
  });

  it('includes XML and YAML first, then its own policies', () => {
    const files = {
      '/etc/a.conf': '<busconfig><policy context="default"><allow own="a.A"/></policy></busconfig>',
      '/etc/d/b.conf':
        '<busconfig><policy context="default"><allow own="b.B"/></policy></busconfig>',
      '/etc/c.yaml': 'policies: [{ context: default, rules: [{ allow: { own: c.C } }] }]',
    };
    const config = goodYaml(
      `
policies: [{ context: default, rules: [{ allow: { own: z.Z } }] }]
include:
  - a.conf
  - { path: c.yaml, ignore_missing: true }
  - { path: none.yaml, ignore_missing: true }
includedir: d
`,
      files,
    );
    expect(config.policy.default).toMatchObject(
      ['a.A', 'c.C', 'b.B', 'z.Z'].map((name) => ({ kind: 'own', name })),
    );
  });

  it('may be empty', () => {
    expect(goodYaml('# nothing yet\n').policy.default).toEqual([]);
  });

  const fatal: readonly [string, string, RegExp][] = [
    ['malformed', 'type: [a', /^1:9: malformed YAML: /],
    ['twice the same key', 'type: a\ntype: b', /^2:1: malformed YAML: /],
    ['unknown key', 'fork: true\ncolour: red', /^2:9: colour: there is no such key$/],
    ['wrong type', 'fork: maybe', /^1:7: fork: .*boolean/],
    ['no rules', 'policies:\n  - user: root', /^2:5: policies\.0\.rules: /],
    [
      'unknown verdict',
      'policies:\n  - user: root\n    rules:\n      - permit: { own: a.A }',
      /^4:9: policies\.0\.rules\.0/,
    ],
    [
      'unknown subject',
      'policies:\n  - user: root\n    rules:\n      - allow: { eat: cake }',
      /^4:23: policies\.0\.rules\.0\.allow\.eat: there is no such key$/,
    ],
    [
      'policy for nobody',
      'policies:\n  - rules: []',
      /^2:5: a policy needs exactly one of context, user, group and at_console$/,
    ],
    ['unknown context', 'policies: [{ context: all, rules: [] }]', /^1:23: context of a policy /],
  ];
  it.each(fatal)('%s is an error', (_name, text, message) => {
    const result = readYaml(text);
    const error = result.ok ? 'no error' : formatDiagnostic(result.error);
    expect(error.replace(`${FILE}:`, '')).toMatch(message);
  });

  const broken: readonly [string, string][] = [
    ['deny: { send: { type: call } }', '3:29: send_type must be'],
    ['allow: { send: { type: call } }', '3:30: send_type must be'],
    ['deny: { send: { destination: a.A, color: red } }', '3:48: unknown attribute "send_color"'],
    ['allow: { own: a.A, send: "*" }', '3:21: "own" cannot be combined'],
    ['allow: {}', '3:5: a rule needs at least one'],
  ];
  it.each(broken)('a broken rule is an error of its file: %s', (rule, message) => {
    const result = readYaml(`policies:\n- { context: default, rules: [\n    { ${rule} }\n  ]}`);
    expect(result.ok ? [] : result.errors.map(formatDiagnostic)).toEqual([
      expect.stringContaining(`${FILE}:${message}`),
    ]);
  });
});
