// Roles of policy YAML: whom they are for, what they grant, and what is wrong with them.
import { describe, expect, test } from 'vitest';
import {
  ClientPolicies,
  compileFacet,
  explainMessage,
  fitsRole,
  Flow,
  formatDiagnostic,
  formatExplanation,
  lintConfig,
  mightConfine,
  policyMessage,
  readConfig,
  remediesFor,
  type ClientOrigin,
  type ConfigResult,
  type MessageFacts,
  type Party,
  type Role,
  type RoleConditions,
} from '#policy/index.js';
import { memoryIo, type MemoryFiles } from './memory-io.js';

const FILE = '/etc/bus.yaml';

function read(text: string, files: MemoryFiles = {}): ConfigResult {
  return readConfig(FILE, memoryIo({ ...files, [FILE]: text }));
}

function good(text: string, files?: MemoryFiles): Extract<ConfigResult, { ok: true }> {
  const result = read(text, files);
  if (!result.ok) throw new Error(formatDiagnostic(result.error));
  return result;
}

function roleFor(conditions: RoleConditions): Role {
  const at = { file: FILE, line: 1, column: 1 };
  return { ...at, name: 'r', conditions, grants: [], rules: [], isConfined: false, quotas: {} };
}

const SERVICE = '/system.slice/foo.service';
const USER = '/user.slice/user-1000.slice/user@1000.service';

describe('whom a role is for', () => {
  const rows: readonly (readonly [conditions: RoleConditions, origin: ClientOrigin, boolean])[] = [
    [{ user: [1000] }, {}, true],
    [{ user: [0, 1000] }, {}, true],
    [{ user: ['*'] }, {}, true],
    [{ user: [1001] }, {}, false],
    /* users that do not exist */
    [{ user: [] }, {}, false],
    [{ group: [29] }, {}, true],
    [{ group: [30] }, {}, false],
    [{ group: [] }, {}, false],
    [{ user: [1000], group: [30] }, {}, false],
    [{ executable: ['/usr/bin/foo'] }, { executables: ['/usr/bin/foo'] }, true],
    [{ executable: ['/usr/bin/bar', '/usr/bin/foo'] }, { executables: ['/usr/bin/foo'] }, true],
    [{ executable: ['/usr/bin/foo'] }, { executables: ['/usr/bin/foo2'] }, false],
    [{ executable: ['/usr/bin/foo'] }, {}, false],
    [{ unit: ['foo.service'] }, { cgroup: SERVICE }, true],
    [{ unit: ['foo.service'] }, { cgroup: `${SERVICE}/below` }, true],
    [{ unit: ['foo.service'] }, { cgroup: '/system.slice/system-foo.slice/foo.service' }, true],
    [{ unit: ['foo.service'] }, { cgroup: '/system.slice/_foo.service' }, true],
    [{ unit: ['foo.service'] }, { cgroup: '/system.slice/foo.service2' }, false],
    [{ unit: ['foo.service'] }, {}, false],
    /* what somebody below calls a control group of his own */
    [{ unit: ['foo.service'] }, { cgroup: `${USER}/app.slice/foo.service` }, false],
    [{ unit: ['foo.service'] }, { cgroup: '/system.slice/bar.service/foo.service' }, false],
    [{ unit: ['foo.service'] }, { cgroup: '/machine/foo.service' }, false],
    [{ unit: ['user@1000.service'] }, { cgroup: `${USER}/app.slice/foo.service` }, true],
    [{ userUnit: ['foo.service'] }, { cgroup: `${USER}/app.slice/foo.service` }, true],
    [{ userUnit: ['foo.service'] }, { cgroup: `${USER}/app.slice/foo.service/below` }, true],
    [{ userUnit: ['foo.service'] }, { cgroup: `${USER}/app.slice/x.scope/foo.service` }, false],
    [{ userUnit: ['foo.service'] }, { cgroup: SERVICE }, false],
    [{ userUnit: ['foo.service'] }, { cgroup: '/system.slice/bar.service/foo.service' }, false],
    [
      { unit: ['session-3.scope'] },
      { cgroup: '/user.slice/user-1000.slice/session-3.scope' },
      true,
    ],
    [{ cgroup: ['/system.slice'] }, { cgroup: SERVICE }, true],
    [{ cgroup: ['/system.slice/'] }, { cgroup: SERVICE }, true],
    [{ cgroup: [SERVICE] }, { cgroup: SERVICE }, true],
    [{ cgroup: ['/'] }, { cgroup: SERVICE }, true],
    [{ cgroup: ['/system'] }, { cgroup: SERVICE }, false],
    [{ cgroup: [`${SERVICE}/below`] }, { cgroup: SERVICE }, false],
    [{ label: ['unconfined'] }, { label: 'unconfined' }, true],
    [{ label: ['unconfined'] }, { label: '/usr/bin/man (enforce)' }, false],
    [{ label: ['unconfined'] }, {}, false],
    [{ listener: ['unix:path=/a'] }, { listener: 'unix:path=/a' }, true],
    [{ listener: ['unix:path=/a'] }, { listener: 'unix:path=/b' }, false],
    [{ listener: ['unix:path=/a'] }, {}, false],
  ];
  test.each(rows)('%j, of a client with %j: %s', (conditions, origin, fits) => {
    const client = { uid: 1000, gids: [29, 1000], origin };
    expect(fitsRole(roleFor(conditions), client)).toBe(fits);
  });
});

describe('whom a role might confine, if only his process were known', () => {
  const confines = (conditions: RoleConditions): Role => ({
    ...roleFor(conditions),
    isConfined: true,
  });
  const unknown = { isProcessUnknown: true };
  const unit = { unit: ['foo.service'] };
  const rows: readonly (readonly [Role, ClientOrigin | undefined, boolean])[] = [
    [confines(unit), unknown, true],
    [confines({ executable: ['/usr/bin/foo'] }), unknown, true],
    [confines({ cgroup: ['/system.slice'] }), unknown, true],
    [confines({ userUnit: ['foo.service'], user: [1000] }), unknown, true],
    /* over TCP, for example */
    [confines(unit), undefined, true],
    [confines(unit), { cgroup: '/system.slice/bar.service' }, false],
    [confines({ ...unit, user: [1001] }), unknown, false],
    [confines({ ...unit, listener: ['unix:path=/a'] }), unknown, false],
    [confines({ user: [1000] }), unknown, false],
    [roleFor(unit), unknown, false],
  ];
  test.each(rows)('%j, of a client with %j: %s', (role, origin, might) => {
    const client = { uid: 1000, gids: [1000], origin };
    expect(mightConfine(role, client)).toBe(might);
    expect(fitsRole(role, client)).toBe(role.conditions.user?.includes(1000) === true && !might);
  });
});

const CLOSED = `
policies:
  - context: default
    rules:
      - deny: { own: '*' }
      - deny: { send: { type: method_call } }
      - allow: { send: { type: signal } }
      - deny: { receive: { type: signal, sender: org.example.Loud } }
      - allow: { receive: { type: signal, sender: org.example.Service } }
  - user: alice
    rules:
      - deny: { send: { destination: org.example.Service } }
  - context: mandatory
    rules:
      - deny: { send: { destination: org.example.Never } }
      - deny: { own: org.example.Never }
`;

const CALL: MessageFacts = {
  type: 1,
  path: '/a/b',
  interface: 'org.example.I',
  member: 'M',
  errorName: undefined,
};

/** A policy in which nothing is allowed, and a role of alice with these grants. */
function policiesWith(grants: string): ClientPolicies {
  const text = `${CLOSED}roles:\n  app:\n    for: { user: alice }\n    ${grants}\n`;
  return new ClientPolicies(good(text).config.policy);
}

const ALICE = { uid: 1000, gids: [1000], atConsole: false };
const BOB = { uid: 1001, gids: [1001], atConsole: false };

function sends(grants: string, name: string, facts: Partial<MessageFacts> = {}): boolean {
  const policies = policiesWith(grants);
  const receiver: Party = { policy: undefined, names: new Set([name]) };
  const verdicts = [ALICE, BOB].map((who) => {
    const facet = compileFacet(
      { policy: policies.for(who), names: new Set() },
      receiver,
      Flow.Directed,
    );
    return facet === null || facet.check(policyMessage({ ...CALL, ...facts }));
  });
  expect(verdicts[1]).toBe(false);
  return verdicts[0];
}

describe('what a role grants', () => {
  test.each([
    ['talk: org.example.Service', 'org.example.Service', {}, true],
    ['talk: org.example.Service', 'org.example.Service.Below', {}, false],
    ['talk: [org.example.*]', 'org.example.Service', {}, true],
    ['talk: [org.example.*]', 'org.examples.Service', {}, false],
    ['talk: org.example.Never', 'org.example.Never', {}, false],
    ['own: org.example.Service', 'org.example.Service', {}, true],
    ['see: org.example.Service', 'org.example.Service', {}, false],
    ['call: [org.example.Service]', 'org.example.Service', {}, true],
    [
      'call: [{ name: org.example.Service, interface: org.example.I }]',
      'org.example.Service',
      {},
      true,
    ],
    [
      'call: [{ name: org.example.Service, interface: org.example.J }]',
      'org.example.Service',
      {},
      false,
    ],
    [
      'call: [{ name: org.example.Service, interface: org.example.I, member: M }]',
      'org.example.Service',
      {},
      true,
    ],
    [
      'call: [{ name: org.example.Service, interface: org.example.I, member: N }]',
      'org.example.Service',
      {},
      false,
    ],
    ['call: [{ name: org.example.Service, path: /a/b }]', 'org.example.Service', {}, true],
    ['call: [{ name: org.example.Service, path: /a }]', 'org.example.Service', {}, false],
    ['call: [{ name: org.example.Service, path: /a/* }]', 'org.example.Service', {}, true],
    [
      'call: [{ name: org.example.Service, path: /a/* }]',
      'org.example.Service',
      { path: '/a' },
      true,
    ],
    [
      'call: [{ name: org.example.Service, path: /a/* }]',
      'org.example.Service',
      { path: '/ab' },
      false,
    ],
    ['call: [{ name: org.example.Service, path: /* }]', 'org.example.Service', { path: '/' }, true],
    ['hear: [org.example.Service]', 'org.example.Service', {}, false],
  ])('%s: a call to %s with %j: %s', (grants, name, facts, isAllowed) => {
    expect(sends(grants, name, facts)).toBe(isAllowed);
  });

  test.each([
    ['hear: [org.example.Loud]', 'S', true],
    ['hear: [{ name: org.example.Loud, interface: org.example.I, member: S }]', 'S', true],
    ['hear: [{ name: org.example.Loud, interface: org.example.I, member: S }]', 'T', false],
    ['talk: [org.example.*]', 'S', true],
    ['call: [org.example.Loud]', 'S', false],
  ])('%s: the signal %s of a name: %s', (grants, member, isAllowed) => {
    const policy = policiesWith(grants).for(ALICE);
    const sender: Party = { policy: undefined, names: new Set(['org.example.Loud']) };
    const facet = compileFacet(sender, { policy, names: new Set() }, Flow.Broadcast);
    const message = policyMessage({ ...CALL, type: 4, member });
    expect(facet === null || facet.check(message)).toBe(isAllowed);
  });

  test.each([
    ['own: org.example.Service', 'org.example.Service', true],
    ['own: org.example.Service', 'org.example.Service.Below', false],
    ['own: [org.example.*]', 'org.example.Service', true],
    ['own: [org.example.*]', 'org.example', true],
    ['own: [org.example.*]', 'org.example.Never', false],
    ['talk: org.example.Service', 'org.example.Service', false],
  ])('%s: to own %s: %s', (grants, name, isAllowed) => {
    const policies = policiesWith(grants);
    expect(policies.for(ALICE).canOwn(name).allowed).toBe(isAllowed);
    expect(policies.for(BOB).canOwn(name).allowed).toBe(false);
  });

  test('a verdict names the line of the grant', () => {
    const { rule } = policiesWith('own:\n      - org.example.Service')
      .for(ALICE)
      .canOwn('org.example.Service');
    expect(rule).toMatchObject({ file: FILE, line: 21, role: 'app' });
  });

  test('only a mandatory rule takes a grant back, and that is what the explanation advises', () => {
    const policies = policiesWith('talk: org.example.Service');
    const sender: Party = { policy: policies.for(ALICE), names: new Set() };
    const receiver: Party = { policy: undefined, names: new Set(['org.example.Service']) };
    const judged = { sender, receiver, flow: Flow.Directed, facts: CALL };
    const explanation = explainMessage(sender, receiver, Flow.Directed, CALL);
    expect(explanation.send?.decidedBy).toMatchObject({ role: 'app' });
    expect(remediesFor(explanation, judged)).toEqual([
      'to deny it: <deny send_destination="org.example.Service" send_interface="org.example.I" ' +
        'send_member="M"/>, in <policy context="mandatory">',
    ]);
  });

  test('quotas: of two roles, the later one counts', () => {
    const text = `
roles:
  everybody: { for: { user: '*' }, quotas: { bytes: 1000, names: 1, matches: 0, descriptors: 3 } }
  alice: { for: { user: alice }, quotas: { names: 2, replies: 5, connections: 7 } }
`;
    const policies = new ClientPolicies(good(text).config.policy);
    expect(policies.for(ALICE).quotas).toEqual({
      maxOutgoingBytes: 1000,
      maxOutgoingUnixFds: 3,
      maxMatchRulesPerConnection: 0,
      maxNamesPerConnection: 2,
      maxRepliesPerConnection: 5,
      maxConnectionsPerUser: 7,
    });
    expect(policies.for(BOB).quotas).toMatchObject({ maxNamesPerConnection: 1 });
  });

  test('only a role that says what it sees confines, and then all grants are seen', () => {
    const text = `
roles:
  open: { for: { user: '*' }, talk: org.example.A }
  closed: { for: { user: alice }, see: [] , own: org.example.B }
`;
    const policies = new ClientPolicies(good(text).config.policy);
    expect(policies.for(BOB).confinement).toBeUndefined();
    const { grants, by } = policies.for(ALICE).confinement!;
    expect(grants.map(({ kind, name }) => `${kind} ${name}`)).toEqual([
      'talk org.example.A',
      'own org.example.B',
    ]);
    expect(by.name).toBe('closed');
  });

  test('roles of files that are included count with those of the file', () => {
    const files = {
      '/etc/more.yaml': "roles:\n  more: { for: { user: '*' }, own: org.example.B }\n",
    };
    const text =
      "include: [more.yaml]\nroles:\n  one: { for: { user: '*' }, own: org.example.A }\n";
    const policies = new ClientPolicies(good(text, files).config.policy);
    const names = ['org.example.A', 'org.example.B', 'org.example.C'];
    expect(names.map((name) => policies.for(BOB).canOwn(name).allowed)).toEqual([
      true,
      true,
      false,
    ]);
  });

  test('a role that somebody is supposed to be in', () => {
    const policies = policiesWith('own: org.example.Service');
    const bob = { ...BOB, roles: ['app'] };
    expect(policies.for(bob).canOwn('org.example.Service').allowed).toBe(true);
  });
});

describe('what is said of a role that confines', () => {
  const text = `
policies:
  - context: default
    rules: [{ allow: { own: '*' } }, { allow: { send: '*' } }, { allow: { receive: '*' } }]
roles:
  app:
    for: { user: alice }
    see: org.example.Seen
    talk: org.example.Talk
    call: [{ name: org.example.Called, interface: org.example.I, path: /a/* }]
    hear: [org.example.Heard]
`;
  const policies = new ClientPolicies(good(text).config.policy);
  const app: Party = { policy: policies.for(ALICE), names: new Set() };
  const ROLE = `role "app" at ${FILE}:7`;
  const rows: readonly (readonly [Flow, string, Partial<MessageFacts>, string])[] = [
    [Flow.Directed, 'org.example.Hidden', {}, 'the other side is not visible to it'],
    [Flow.Directed, 'org.example.Seen', {}, 'no grant covers this message'],
    [Flow.Directed, 'org.example.Heard', {}, 'no grant covers this message'],
    [Flow.Directed, 'org.example.Talk', {}, 'a grant allows it'],
    [Flow.Directed, 'org.example.Called', {}, 'a grant allows it'],
    [Flow.Directed, 'org.example.Called', { path: '/b' }, 'no grant covers this message'],
    [Flow.Directed, 'org.freedesktop.DBus', {}, 'a grant allows it'],
    [Flow.Broadcast, 'org.example.Heard', { type: 4 }, 'a grant allows it'],
    [Flow.Broadcast, 'org.example.Talk', { type: 4 }, 'a grant allows it'],
    [Flow.Broadcast, 'org.example.Called', { type: 4 }, 'no grant covers this message'],
    [Flow.Broadcast, 'org.example.Hidden', { type: 4 }, 'the other side is not visible to it'],
  ];
  test.each(rows)('%s, %s %j: %s', (flow, name, facts, outcome) => {
    const other: Party = { policy: undefined, names: new Set([name]) };
    const [sender, receiver] = flow === Flow.Broadcast ? [other, app] : [app, other];
    const message = { ...CALL, ...facts };
    const explanation = explainMessage(sender, receiver, flow, message);
    const passes = outcome === 'a grant allows it';
    expect(explanation.allowed).toBe(passes);
    expect(formatExplanation(explanation)[1]).toBe(`${ROLE} confines the client: ${outcome}`);
    const [remedy] = remediesFor(explanation, { sender, receiver, flow, facts: message });
    const key = flow === Flow.Broadcast ? 'hear' : 'call';
    const added = `to allow it: ${key}: [${name}] in ${ROLE}`;
    expect(remedy === added).toBe(!passes);
  });
});

describe('what is wrong with a role', () => {
  const rows: readonly (readonly [role: string, error: string])[] = [
    [
      '{ own: org.example.A }',
      '2:6: roles.r.for: Invalid key: Expected "for" but received undefined',
    ],
    ['{ for: {} }', '2:13: role "r": it has no conditions; for everybody, write user: "*"'],
    ['{ for: { user: 0, shell: x } }', '2:31: roles.r.for.shell: there is no such key'],
    ['{ for: { user: 0 }, seen: [] }', '2:32: roles.r.seen: there is no such key'],
    ['{ for: { executable: foo } }', '2:27: role "r": "foo" is not an absolute path'],
    ['{ for: { cgroup: foo } }', '2:23: role "r": "foo" is not an absolute path'],
    [
      '{ for: { user: 0 }, own: foo }',
      '2:31: role "r": "foo" is not a name of a service, nor NAME.*',
    ],
    [
      '{ for: { user: 0 }, talk: [a.b, ":1.2"] }',
      '2:38: role "r": ":1.2" is not a name of a service, nor NAME.*',
    ],
    [
      '{ for: { user: 0 }, see: "*" }',
      '2:31: role "r": "*" is not a name of a service, nor NAME.*',
    ],
    [
      '{ for: { user: 0 }, call: [{ name: a.b, interface: x }] }',
      '2:57: role "r": "x" is not an interface name',
    ],
    [
      '{ for: { user: 0 }, call: [{ name: a.b, member: M }] }',
      '2:54: role "r": member needs interface or path beside it',
    ],
    [
      '{ for: { user: 0 }, call: [{ name: a.b, interface: a.b, member: a.b }] }',
      '2:70: role "r": "a.b" is not a member name',
    ],
    [
      '{ for: { user: 0 }, hear: [{ name: a.b, path: /a/ }] }',
      '2:52: role "r": "/a/" is not an object path, nor PATH/*',
    ],
    [
      '{ for: { user: 0 }, quotas: { bytes: -1 } }',
      '2:43: roles.r.quotas.bytes: Invalid value: Expected >=0 but received -1',
    ],
    [
      '{ for: { user: 0 }, quotas: { bytes: 1.5 } }',
      '2:43: roles.r.quotas.bytes: Invalid safe integer: Received 1.5',
    ],
    [
      '{ for: { user: 0 }, quotas: { memory: 1 } }',
      '2:44: roles.r.quotas.memory: there is no such key',
    ],
  ];
  test.each(rows)('%s', (role, error) => {
    const result = read(`roles:\n  r: ${role}\n`);
    expect(result.ok ? undefined : formatDiagnostic(result.error)).toBe(`${FILE}:${error}`);
  });

  test('users and groups that do not exist are a warning, and nobody is in the role for that', () => {
    const text =
      'roles:\n  r: { for: { user: [nobody-here], group: [staff, none] }, own: org.example.A }\n';
    const { config, diagnostics } = good(text);
    expect(diagnostics.map(formatDiagnostic)).toEqual([
      `${FILE}:2:22: there is no user "nobody-here"; role "r" is not for it`,
      `${FILE}:2:51: there is no group "none"; role "r" is not for it`,
    ]);
    expect(config.policy.roles[0].conditions).toEqual({ user: [], group: [50] });
  });

  test('lint: a bus that is no longer root cannot tell what others execute', () => {
    const text = 'user: messagebus\nroles:\n  one: { for: { executable: /bin/true } }\n';
    expect(lintConfig(good(text).config).map(formatDiagnostic)).toEqual([
      expect.stringMatching(/^\/etc\/bus\.yaml:3:8: the bus runs as messagebus/u),
    ]);
  });

  test.each(['unix:runtime=yes', 'systemd:', 'unix:path=/a;unix:path=/b'])(
    'lint: who listens at %s, clients of another address may come to',
    (listen) => {
      const text = `listen: "${listen}"\nroles:\n  one: { for: { listener: unix:path=/b } }\n`;
      expect(lintConfig(good(text).config)).toEqual([]);
    },
  );

  test('what lint finds', () => {
    const text = `listen: unix:path=/a
roles:
  one: { for: { user: [nobody-here] } }
  two: { for: { listener: [unix:path=/a, unix:path=/b] } }
  three:
    for: { user: alice }
    talk: [org.example.A, org.example.A]
`;
    expect(lintConfig(good(text).config).map(formatDiagnostic)).toEqual([
      `${FILE}:3:8: role "one" applies to no client`,
      `${FILE}:4:8: role "two" is for clients of unix:path=/b, where the bus does not listen`,
      `${FILE}:7:27: this repeats talk org.example.A at ${FILE}:7`,
    ]);
  });
});
