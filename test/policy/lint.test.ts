import { describe, expect, it } from 'vitest';
import { lintConfig, readConfig } from '#policy/index.js';
import { memoryIo } from './memory-io.js';

const SESSION = '/usr/share/session.conf';
const SYSTEM = '/usr/share/system.d/x.conf';

/** `line code: message` of every finding. */
function lint(file: string, body: string): string[] {
  const result = readConfig(file, memoryIo({ [file]: `<busconfig>\n${body}\n</busconfig>` }));
  if (!result.ok) throw new Error(result.error.message);
  return lintConfig(result.config).map(({ line, code, message }) => `${line} ${code}: ${message}`);
}

const policy = (rules: string): string => `<policy context="default">\n${rules}\n</policy>`;

describe('lint', () => {
  const cases: readonly [string, string, readonly string[]][] = [
    ['a good rule', '<allow send_destination="a.A" send_interface="a.I"/>', []],
    [
      'a glob',
      '<allow send_interface="a.*"/>',
      ['never-matches: "a.*" is not a valid interface name; "*" is only understood alone'],
    ],
    [
      'a bad bus name',
      '<deny send_destination="9a.B"/>',
      ['never-matches: "9a.B" is not a valid bus name'],
    ],
    [
      'a bad own name',
      '<allow own="a.*"/>',
      ['never-matches: "a.*" is not a bus name; "*" is only understood alone'],
    ],
    ['a bad path', '<deny send_path="a/"/>', ['never-matches: "a/" is not a valid object path']],
    [
      'an empty range',
      '<deny send_type="*" min_fds="2" max_fds="1"/>',
      ['never-matches: no message has at least 2 and at most 1 descriptors'],
    ],
    [
      'a broadcast call',
      '<deny send_type="method_call" send_broadcast="true"/>',
      ['never-matches: only signals are broadcast'],
    ],
    [
      'an error without type',
      '<deny send_error="a.E"/>',
      [
        'matches-more: send_error matches every message that is not an error, too; add send_type="error"',
      ],
    ],
    ['an error with type', '<deny send_error="a.E" send_type="error"/>', []],
    [
      'a prefix of names',
      '<allow send_destination_prefix="a.B" send_interface="a.I"/>',
      [
        'broker-differs: dbus-broker does not know send_destination_prefix, and applies the rule as if it had none',
      ],
    ],
    ...[
      '<deny send_type="error" send_requested_reply="true"/>',
      '<allow receive_requested_reply="false"/>',
    ].map((rule): [string, string, readonly string[]] => [
      `replies: ${rule}`,
      rule,
      [
        'broker-differs: dbus-broker ignores rules about replies: requested replies always pass, others never',
      ],
    ]),
    [
      'replies as dbus-broker has them',
      '<allow send_type="method_return" send_requested_reply="true"/>',
      [],
    ],
    [
      'a reply by interface',
      '<allow send_type="method_return" send_interface="a.I"/>',
      ['never-matches: messages of type method_return have no interface, so this allows nothing'],
    ],
    [
      'no reply by interface',
      '<deny send_type="error" send_interface="a.I" send_destination="a.A"/>',
      ['matches-more: messages of type error have no interface, so this denies all of them'],
    ],
    [
      'a requested call',
      '<allow send_type="method_call" send_requested_reply="false"/>',
      ['no-effect: send_requested_reply has no effect on a method_call'],
    ],
    [
      'an interface for everybody',
      '<deny send_interface="a.I"/>',
      [
        'matches-more: this also denies every message without an interface, to any destination; add send_destination',
      ],
    ],
    [
      'eavesdropping',
      '<allow receive_type="signal" eavesdrop="true"/>',
      ['eavesdrop: eavesdropping is deprecated; monitors do not need it'],
    ],
  ];
  it.each(cases)('%s', (_name, rule, findings) => {
    expect(lint(SESSION, policy(rule))).toEqual(findings.map((finding) => `3 ${finding}`));
  });

  it('rules that repeat, contradict, shadow or override others', () => {
    const rules = `<allow send_destination="a.A"/>
<deny send_destination="a.A"/>
<deny send_destination="a.A"/>
<allow send_destination="*"/>
<deny send_broadcast="true"/>`;
    expect(lint(SESSION, policy(rules))).toEqual([
      `3 shadowed: this has no effect: <allow send_type="*"/> at ${SESSION}:6 overrides it later`,
      `4 contradiction: this reverses <allow send_destination="a.A"/> at ${SESSION}:3`,
      `4 shadowed: this has no effect: <allow send_type="*"/> at ${SESSION}:6 overrides it later`,
      `5 duplicate: this repeats <deny send_destination="a.A"/> at ${SESSION}:4`,
      `5 shadowed: this has no effect: <allow send_type="*"/> at ${SESSION}:6 overrides it later`,
      '7 overrides-earlier: without type, path, interface, member, error or name, this overrides ' +
        'all 4 earlier send rules, as in dbus-daemon; add send_type',
    ]);
  });

  it('rules of packages that reach beyond their own service', () => {
    const rules = `<allow send_interface="a.I"/>
<allow own="a.A"/>
<allow own="*"/>
<deny receive_sender="a.A"/>
<allow send_destination="a.A"/>`;
    expect(lint(SYSTEM, policy(rules))).toEqual([
      '3 broad-send: without send_destination, this applies to messages to all services',
      '4 broad-own: every user may own a.A; allow it in a <policy user="…"> instead',
      '5 broad-own: every user may own every name; allow it in a <policy user="…"> instead',
      '6 receive-rule: receiving is allowed by default; restrict senders by send_destination instead',
    ]);
    expect(lint(SYSTEM, `<policy user="root">\n<allow own="a.A"/>\n</policy>`)).toEqual([]);
  });

  it('things of the past', () => {
    const body = '<allow_anonymous/>\n<policy at_console="true">\n<allow user="*"/>\n</policy>';
    expect(lint(SESSION, body)).toEqual([
      '1 anonymous: <allow_anonymous/> lets anybody who can reach the bus connect',
      '4 at-console: at_console is deprecated; use polkit, or name a user or group',
      '4 no-effect: connect rules have an effect in context policies only',
    ]);
  });
});
