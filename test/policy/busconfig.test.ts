import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDiagnostic, readConfig, type BusConfig } from '#policy/index.js';
import {
  MAIN,
  memoryIo,
  readDefaultRules,
  readMemoryConfig,
  readMemoryFiles,
} from './memory-io.js';

const wrap = (body: string): string => `<busconfig>${body}</busconfig>`;

describe('busconfig elements', () => {
  it('reads every element', () => {
    const { config, diagnostics } = readMemoryConfig(`<?xml version="1.0"?>
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <!-- the last one wins -->
  <type>session</type> <type>system</type>
  <user>messagebus</user>
  <fork/> <keep_umask/> <syslog/> <allow_anonymous/>
  <pidfile>/run/bus.pid</pidfile>
  <listen>unix:path=/run/a</listen>
  <listen>unix:abstract=b</listen>
  <auth>EXTERNAL</auth> <auth>ANONYMOUS</auth>
  <servicedir>services</servicedir>
  <standard_session_servicedirs/> <standard_system_servicedirs/>
  <servicedir>/etc/services</servicedir>
  <servicehelper>helper</servicehelper>
  <limit name="auth_timeout">5000</limit>
  <limit name="max_message_size">0x100</limit>
  <selinux><associate own="org.example.A" context="foo_t"/></selinux>
  <apparmor mode="disabled"/>
</busconfig>`);
    expect(diagnostics).toEqual([]);
    expect(config).toMatchObject({
      busType: 'system',
      user: 'messagebus',
      fork: true,
      keepUmask: true,
      syslog: true,
      allowAnonymous: true,
      pidFile: '/run/bus.pid',
      listen: ['unix:path=/run/a', 'unix:abstract=b'],
      auth: ['EXTERNAL', 'ANONYMOUS'],
      serviceDirectories: [
        { kind: 'directory', path: '/etc/services' },
        { kind: 'standard-session' },
        { kind: 'standard-system' },
      ],
      serviceHelper: '/etc/helper',
      limits: { authTimeoutMs: 5000, maxMessageBytes: 256 },
      selinuxAssociations: [{ own: 'org.example.A', context: 'foo_t', file: MAIN, line: 19 }],
      appArmorMode: 'disabled',
      files: [MAIN],
    });
  });

  it.each([
    ['decimal', '100', 100],
    ['octal, as strtol reads it', '010', 8],
    ['hexadecimal', '0xff', 255],
    ['zero', ' 0 ', 0],
  ])('reads a limit: %s', (_name, text, value) => {
    const { config } = readMemoryConfig(wrap(`<limit name="auth_timeout">${text}</limit>`));
    expect(config.limits.authTimeoutMs).toBe(value);
  });

  it('files rules by audience', () => {
    const { config } = readMemoryConfig(
      wrap(`
<policy context="default"><allow own="a.A"/></policy>
<policy context="mandatory"><allow own="b.B"/></policy>
<policy user="alice"><allow own="c.C"/></policy>
<policy user="1000"><allow own="d.D"/></policy>
<policy group="staff"><allow own="e.E"/></policy>
<policy at_console="true"><allow own="f.F"/></policy>
<policy at_console="false"><allow own="g.G"/></policy>`),
    );
    const { policy } = config;
    expect(policy.default).toMatchObject([{ name: 'a.A' }]);
    expect(policy.mandatory).toMatchObject([{ name: 'b.B' }]);
    expect(policy.byUser.get(1000)).toMatchObject([{ name: 'c.C' }, { name: 'd.D' }]);
    expect(policy.byGroup.get(50)).toMatchObject([{ name: 'e.E' }]);
    expect(policy.atConsole).toMatchObject([{ name: 'f.F' }]);
    expect(policy.notAtConsole).toMatchObject([{ name: 'g.G' }]);
  });

  it('reads every attribute of a rule, and where it stands', () => {
    const { default: rules } = readDefaultRules(`
  <deny send_destination="a.A" send_interface="i.I" send_member="M" send_path="/p"
        send_type="signal" send_broadcast="false" send_requested_reply="true"
        eavesdrop="true" min_fds="1" max_fds="2" log="true"/>
  <allow receive_sender="a.A" receive_error="e.E" receive_type="error"/>
  <allow send_destination_prefix="a.b"/>
  <allow send_destination="*" send_interface="*" send_type="*"/>
  <allow own="a.A"/> <allow own_prefix="a"/> <allow own="*"/>
  <allow user="*"/> <deny user="bob"/> <deny group="audio"/>`);
    const position = { file: MAIN, line: 2, column: 3 };
    expect(rules[0]).toEqual({
      ...position,
      kind: 'send',
      allow: false,
      messageType: 4,
      peerName: 'a.A',
      interface: 'i.I',
      member: 'M',
      path: '/p',
      broadcast: false,
      requestedReply: true,
      eavesdrop: true,
      minFds: 1,
      maxFds: 2,
      log: true,
    });
    const all = { messageType: 0, requestedReply: true, eavesdrop: false, log: false };
    const fds = { minFds: 0, maxFds: 33_554_432 };
    const base = { file: MAIN, column: 3, allow: true, ...all, ...fds };
    expect(rules.slice(1, 4)).toEqual([
      { ...base, kind: 'receive', line: 5, peerName: 'a.A', errorName: 'e.E', messageType: 3 },
      { ...base, kind: 'send', line: 6, peerPrefix: 'a.b' },
      { ...base, kind: 'send', line: 7 },
    ]);
    expect(rules.slice(4)).toMatchObject([
      { kind: 'own', name: 'a.A' },
      { kind: 'own', prefix: 'a' },
      { kind: 'own' },
      { kind: 'connect', user: '*', allow: true },
      { kind: 'connect', user: 1001, allow: false },
      { kind: 'connect', group: 29, allow: false },
    ]);
  });
});

describe('a main file that cannot be trusted is an error', () => {
  const cases: readonly [string, string, string][] = [
    ['empty', '', '1:1: malformed XML: document must contain a root element.'],
    ['unclosed', '<busconfig>\n <type>x</type>', '2:15: malformed XML: unclosed tag: busconfig'],
    ['other root', '<config/>', '1:1: <config> is not allowed as the root element'],
    ['unknown element', wrap('\n <rule/>'), '2:2: <rule> is not allowed inside <busconfig>'],
    [
      'rule outside of a policy',
      wrap('<allow own="*"/>'),
      '1:12: <allow> is not allowed inside <busconfig>',
    ],
    [
      'after other line ends and characters beyond 16 bits',
      '<busconfig>\r\n<!-- \u{1F600} -->\r\n  <rule/>',
      '3:3: <rule> is not allowed inside <busconfig>',
    ],
    [
      'element in a rule',
      wrap('<policy context="default"><deny own="*"><allow own="a.A"/></deny></policy>'),
      '1:52: <allow> is not allowed inside <deny>',
    ],
    [
      'unknown attribute',
      wrap('<limit size="1" name="auth_timeout">1</limit>'),
      '1:19: <limit> has no attribute "size"',
    ],
    ['missing attribute', wrap('<limit>1</limit>'), '1:12: <limit> needs the attribute "name"'],
    ['missing text', wrap('<listen></listen>'), '1:12: <listen> is empty'],
    ['unexpected text', wrap('<fork>yes</fork>'), '1:12: <fork> takes no text, but has "yes"'],
    [
      'bad mode',
      wrap('<apparmor mode="on"/>'),
      '1:22: AppArmor mode must be required, enabled or disabled, not "on"',
    ],
    [
      'bad yes or no',
      wrap('<include ignore_missing="1">a</include>'),
      '1:21: ignore_missing must be yes or no, not "1"',
    ],
    [
      'policy for nobody',
      wrap('<policy/>'),
      '1:12: a policy needs exactly one of context, user, group and at_console',
    ],
    [
      'policy for two',
      wrap('<policy user="root" group="root"/>'),
      '1:12: a policy needs exactly one of context, user, group and at_console',
    ],
    [
      'unknown context',
      wrap('<policy context="all"/>'),
      '1:20: context of a policy must be default or mandatory, not "all"',
    ],
    [
      'at_console',
      wrap('<policy at_console="yes"/>'),
      '1:20: at_console of a policy must be true or false, not "yes"',
    ],
    [
      'selinux without context',
      wrap('<selinux><associate own="a.A"/></selinux>'),
      '1:21: <associate> needs the attribute "context"',
    ],
  ];
  it.each(cases)('%s', (_name, text, message) => {
    const result = readMemoryFiles({ [MAIN]: text });
    expect(result.ok ? 'no error' : formatDiagnostic(result.error)).toBe(`${MAIN}:${message}`);
  });

  it('so is one that cannot be read', () => {
    const result = readMemoryFiles({ [MAIN]: '<EACCES>' });
    expect(result).toMatchObject({ ok: false, error: { code: 'unreadable-file', file: MAIN } });
  });
});

describe('entities that a file declares itself', () => {
  const withEntities = (declarations: string, text: string): string =>
    `<!DOCTYPE busconfig [${declarations}]>${wrap(text)}`;
  it.each([
    ['in text', '<!ENTITY t "system">', '<type>&t;</type>'],
    ['in each other', "<!ENTITY a 'st'> <!ENTITY t 'sy&a;em'>", '<type>&t;</type>'],
    ['as elements', '<!ENTITY t "<type>system</type>">', '&t;'],
    ['twice declared', '<!ENTITY t "system"><!ENTITY t "session">', '<type>&t;</type>'],
    ['in comments', '<!-- <!ENTITY t "x"> --><!ENTITY t "system">', '<!-- &t; --><type>&t;</type>'],
  ])('%s', (_name, declarations, text) => {
    expect(readMemoryConfig(withEntities(declarations, text)).config.busType).toBe('system');
  });

  it('cannot grow without an end', () => {
    const declarations = Array.from(
      { length: 9 },
      (_, i) => `<!ENTITY a${i + 1} "${`&a${i};`.repeat(10)}">`,
    );
    const text = withEntities(
      `<!ENTITY a0 "0123456789">${declarations.join('')}`,
      '<type>&a9;</type>',
    );
    const result = readMemoryFiles({ [MAIN]: text });
    expect(result).toMatchObject({ ok: false, error: { code: 'malformed', line: 1, column: 1 } });
  });
});

describe('any text', () => {
  const SEED = Number(process.env['POLICY_SEED'] ?? Date.now() % 2 ** 31);
  const XML =
    '<busconfig>|</busconfig>|<policy user="root">|</policy>|<deny own="*"/>|<|<![CDATA[|]]>|&amp;|&a;|' +
    '<!DOCTYPE busconfig [|<!ENTITY a "b">|]>|\0|\r\n|\u{1F600}';
  const YAML =
    'include: |\n|  - |{ context: default, rules: |[|]|}|&a |*a|!!x |policies: |allow: |"|: |\t|%YAML 9|---|<<: ';
  const fragments = [...XML.split('|'), ...YAML.split('|')];
  const text = fc.array(fc.oneof(fc.constantFrom(...fragments), fc.string()), { maxLength: 12 });

  it.each(['/x.conf', '/x.yaml'])(
    `gives a result, never throws: %s (POLICY_SEED=${SEED})`,
    (path) => {
      const property = fc.property(text, (parts) => {
        const { ok } = readConfig(path, memoryIo({ [path]: parts.join('') }));
        expect(typeof ok).toBe('boolean');
      });
      fc.assert(property, { seed: SEED, numRuns: 2000 });
    },
  );
});

describe('limits that are wrong are errors', () => {
  const cases: readonly [string, string, string][] = [
    ['unknown', '<limit name="max_cats">1</limit>', 'there is no limit called "max_cats"'],
    [
      'prototype names',
      '<limit name="constructor">1</limit>',
      'there is no limit called "constructor"',
    ],
    [
      'no number',
      '<limit name="auth_timeout">soon</limit>',
      'limit "auth_timeout" must be a whole number, 0 or more, not "soon"',
    ],
    [
      'negative',
      '<limit name="auth_timeout">-1</limit>',
      'limit "auth_timeout" must be a whole number, 0 or more, not "-1"',
    ],
    [
      'too large',
      '<limit name="auth_timeout">2147483648</limit>',
      'limit "auth_timeout" is 2147483648; the maximum is 2147483647',
    ],
  ];
  it.each(cases)('%s', (_name, element, message) => {
    const result = readMemoryFiles({ [MAIN]: wrap(element) });
    expect(result.ok ? 'no error' : formatDiagnostic(result.error)).toBe(
      `${MAIN}:1:12: ${message}`,
    );
  });
});

describe('what is odd gets a warning', () => {
  const cases: readonly [string, string, string][] = [
    [
      'unknown user',
      '<policy user="eve"><allow own="*"/></policy>',
      'there is no user "eve"; its policy is ignored',
    ],
    [
      'unknown group',
      '<policy group="evil"><allow own="*"/></policy>',
      'there is no group "evil"; its policy is ignored',
    ],
    [
      'a line break that belongs to a directory',
      '<servicedir>/srv\n</servicedir>',
      'the text of <servicedir> begins or ends with blanks, which belong to it',
    ],
    [
      'a limit with a unit',
      '<limit name="auth_timeout">30s</limit>',
      'limit "auth_timeout" is "30s", read as 30',
    ],
    [
      'a number of descriptors with a unit',
      '<policy context="default"><deny send_path="/" min_fds="0x2k"/></policy>',
      'min_fds is "0x2k", read as 2',
    ],
  ];
  it.each(cases)('%s', (_name, element, message) => {
    const { config, diagnostics } = readMemoryConfig(wrap(element));
    expect(diagnostics).toHaveLength(1);
    expect(diagnostics[0]).toMatch(/^\/etc\/bus.conf:1:\d+: /);
    expect(diagnostics[0]).toContain(message);
    expect(config.policy.byUser.size + config.policy.byGroup.size).toBe(0);
  });
});

describe('blanks around a text belong to it, as in dbus-daemon', () => {
  const text = ' \n/x\t';
  const cases: readonly [string, (config: BusConfig) => unknown, unknown][] = [
    ['listen', ({ listen }) => listen, [text]],
    ['auth', ({ auth }) => auth, [text]],
    ['user', ({ user }) => user, text],
    ['type', ({ busType }) => busType, text],
    ['pidfile', ({ pidFile }) => pidFile, text],
    ['servicehelper', ({ serviceHelper }) => serviceHelper, `/etc/${text}`],
    [
      'servicedir',
      ({ serviceDirectories }) => serviceDirectories,
      [{ kind: 'directory', path: `/etc/${text}` }],
    ],
  ];
  it.each(cases)('%s', (element, setting, expected) => {
    const { config } = readMemoryConfig(wrap(`<${element}>${text}</${element}>`));
    expect(setting(config)).toEqual(expected);
  });

  it('but not to that of a limit', () => {
    const { config } = readMemoryConfig(wrap('<limit name="auth_timeout">\n 30\n</limit>'));
    expect(config.limits.authTimeoutMs).toBe(30);
  });

  it('a no-break space is no blank of a number', () => {
    const limit = wrap('<limit name="auth_timeout">\u00A030</limit>');
    const result = readMemoryFiles({ [MAIN]: limit });
    expect(result.ok ? '' : result.error.message).toContain('limit "auth_timeout"');
  });
});

describe('a broken rule is an error of its file', () => {
  /** Attributes; the column after `<allow ` is 45; the complaint. */
  const cases: readonly [string, number, string][] = [
    [
      '',
      38,
      'a rule needs at least one send_*, receive_*, own, own_prefix, user or group attribute',
    ],
    [
      'log="true"',
      38,
      'a rule needs at least one send_*, receive_*, own, own_prefix, user or group attribute',
    ],
    ['send_colour="red"', 45, 'unknown attribute "send_colour"'],
    ['send_destination="a.A" send_colour="red"', 68, 'unknown attribute "send_colour"'],
    ['own="a.A" user="*"', 45, '"own" cannot be combined with other attributes'],
    ['own="a.A" eavesdrop="true"', 45, '"own" cannot be combined with other attributes'],
    [
      'send_destination="a.A" receive_sender="b.B"',
      38,
      'send_* and receive_* attributes cannot be combined in one rule; write two rules',
    ],
    ['send_member="M"', 45, 'send_member needs send_interface or send_path beside it'],
    [
      'receive_error="e.E" receive_interface="i.I"',
      45,
      'receive_error cannot be combined with receive_member or receive_interface',
    ],
    [
      'send_destination="a.A" send_destination_prefix="b"',
      68,
      'send_destination cannot be combined with send_destination_prefix',
    ],
    [
      'send_destination="a.A" send_broadcast="true"',
      68,
      'send_broadcast="true" cannot be combined with send_destination: a broadcast has none',
    ],
    [
      'send_type="call"',
      45,
      'send_type must be method_call, method_return, error, signal or *, not "call"',
    ],
    ['send_path="/p" eavesdrop="1"', 60, 'eavesdrop must be true or false, not "1"'],
    [
      'receive_type="*" max_fds="many"',
      62,
      'max_fds must be a whole number from 0 to 33554432, not "many"',
    ],
  ];
  it.each(cases)('[%s]', (attributes, column, message) => {
    for (const name of ['allow', 'deny ']) {
      const rule = `<${name} ${attributes}/>`;
      const text = wrap(`<policy context="default">${rule}</policy>`);
      const result = readMemoryFiles({ [MAIN]: text });
      const errors = result.ok ? [] : result.errors.map(formatDiagnostic);
      expect(errors).toEqual([`${MAIN}:1:${column}: ${message}`]);
    }
  });

  it('and so is each of several', () => {
    const text = wrap(
      '<policy user="alice"><deny user="bob"/><allow own="a.A" user="bob"/></policy><limit name="x">1</limit><x/>',
    );
    const result = readMemoryFiles({ [MAIN]: text });
    const codes = result.ok ? [] : result.errors.map(({ column, code }) => `${column} ${code}`);
    expect(codes).toEqual([
      '39 bad-rule',
      '58 bad-rule',
      '68 bad-rule',
      '89 bad-limit',
      '114 unexpected-element',
    ]);
  });

  it('a rule about an unknown user or group is ignored with a warning, as in dbus-daemon', () => {
    const { config, diagnostics } = readMemoryConfig(
      wrap('<policy context="default"><deny user="eve"/><allow group="evil"/></policy>'),
    );
    expect(config.policy.default).toEqual([]);
    expect(diagnostics).toEqual([
      `${MAIN}:1:44: there is no user "eve"; the rule is ignored`,
      `${MAIN}:1:63: there is no group "evil"; the rule is ignored`,
    ]);
  });
});
