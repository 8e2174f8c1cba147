/** One way to write an element or attribute wrongly, or oddly: what stands inside of <busconfig>. */
export interface Misspelling {
  readonly name: string;
  readonly text: string;
}

const NAMED = ['interface', 'member', 'error', 'path'];

/** A value that is right, for each attribute of a rule. */
const GOOD: ReadonlyMap<string, string> = new Map([
  ...['send', 'receive'].flatMap((side): [string, string][] => [
    ...NAMED.map((field): [string, string] => [`${side}_${field}`, 'a.B']),
    [`${side}_type`, 'signal'],
    [`${side}_requested_reply`, 'true'],
  ]),
  ['send_destination', 'a.B'],
  ['send_destination_prefix', 'a.B'],
  ['send_broadcast', 'true'],
  ['receive_sender', 'a.B'],
  ['eavesdrop', 'true'],
  ['min_fds', '1'],
  ['max_fds', '1'],
  ['log', 'true'],
  ['own', 'a.B'],
  ['own_prefix', 'a.B'],
  ['user', '*'],
  ['group', '*'],
]);

/** What people write by mistake where a word, a flag, a number or a name belongs. */
const VALUES = [
  '',
  ' ',
  '*',
  'method-call',
  'METHOD_CALL',
  'Method_Call',
  'call',
  'True',
  'TRUE',
  'yes',
  '1',
  '0',
  'one',
  '-1',
  '+1',
  '1.5',
  '1e3',
  '0x10',
  '010',
  '1 ',
  ' 1',
  '1k',
  '4294967296',
  '99999999999999999999',
  'signal ',
  'no such thing',
  'org..example',
  'nosuchuser',
  '/a/',
];

/** Attributes that some attributes cannot be without. */
function companionsOf(attribute: string): string {
  if (attribute === 'send_member') return ' send_interface="a.B"';
  if (attribute === 'receive_member') return ' receive_interface="a.B"';
  if (['min_fds', 'max_fds', 'log'].includes(attribute)) return ' send_destination="a.B"';
  return '';
}

function inPolicy(rule: string): string {
  return `<policy context="default">${rule}</policy>`;
}

function ruleCases(): Misspelling[] {
  const cases: Misspelling[] = [];
  const add = (text: string): void => void cases.push({ name: text, text: inPolicy(text) });
  for (const verb of ['allow', 'deny']) {
    for (const [attribute, good] of GOOD) {
      const rest = companionsOf(attribute);
      for (const value of [good, ...VALUES]) add(`<${verb} ${attribute}="${value}"${rest}/>`);
      add(`<${verb} ${attribute}="${good}"/>`);
      add(`<${verb} ${attribute}="${good}" ${attribute}="${good}"${rest}/>`);
      add(`<${verb} ${attribute}s="${good}"${rest}/>`);
      add(`<${verb} ${attribute.toUpperCase()}="${good}"${rest}/>`);
      add(`<${verb} ${attribute.replace('_', '-')}x="${good}"${rest}/>`);
      add(`<${verb} ${attribute}="${good}"${rest}>text</${verb}>`);
      add(`<${verb} ${attribute}="${good}"${rest}><${verb} own="*"/></${verb}>`);
      for (const [other, its] of GOOD) {
        if (other < attribute) add(`<${verb} ${attribute}="${good}" ${other}="${its}"/>`);
      }
    }
    add(`<${verb}/>`);
    add(`<${verb} own="*"></${verb.toUpperCase()}>`);
    add(`<${verb.toUpperCase()} own="*"/>`);
    add(`<${verb}s own="*"/>`);
  }
  add('<accept own="*"/>');
  return cases;
}

function policyCases(): Misspelling[] {
  const rule = '<deny own="a.B"/>';
  const attributes = [
    '',
    ...['context', 'user', 'group', 'at_console'].flatMap((name) =>
      ['', ' ', 'default', 'Default', 'DEFAULT', 'mandatory', 'root', '0', '-1', '99999', 'nosuch']
        .concat(['true', 'false', 'True', 'yes', '*', '4294967296', '0x0', ' root'])
        .map((value) => `${name}="${value}"`),
    ),
    'context="default" context="default"',
    'context="default" user="root"',
    'user="root" group="root"',
    'user="root" at_console="true"',
    'Context="default"',
    'uid="0"',
    'context="default" comment="x"',
  ];
  return attributes.flatMap((words) => [
    { name: `<policy ${words}>`, text: `<policy ${words}>${rule}</policy>` },
    { name: `<policy ${words}/>`, text: `<policy ${words}/>` },
    ...['user="root"', 'user="*"', 'group="root"'].map((lone) => ({
      name: `<policy ${words}><deny ${lone}/>`,
      text: `<policy ${words}><deny ${lone}/></policy>`,
    })),
  ]);
}

const TEXTS = ['', ' ', 'x', 'nosuch', 'EXTERNAL', '/nonexistent', '<!-- c -->', '<b/>', '&#32;'];
const TEXT_ELEMENTS = ['type', 'pidfile', 'servicedir', 'servicehelper', 'auth', 'includedir'];
const FLAGS = [
  'keep_umask',
  'syslog',
  'allow_anonymous',
  'standard_session_servicedirs',
  'standard_system_servicedirs',
];
const LIMITS = [
  'auth_timeout',
  'max_match_rules_per_connection',
  'reply_timeout',
  'max_incoming_bytes',
];
const NUMBERS = VALUES.concat(
  '100',
  '2147483647',
  '2147483648',
  '-2147483648',
  '<b/>',
  '1<!-- -->',
);

function elementCases(): Misspelling[] {
  const texts = [
    ...TEXT_ELEMENTS.flatMap((name) => [
      ...TEXTS.map((text) => `<${name}>${text}</${name}>`),
      `<${name}/>`,
      `<${name} name="x">x</${name}>`,
      `<${name.toUpperCase()}>x</${name.toUpperCase()}>`,
      `<${name}s>x</${name}s>`,
      `<${name}>x</${name}><${name}>y</${name}>`,
      inPolicy(`<${name}>x</${name}>`),
    ]),
    ...FLAGS.flatMap((name) => [
      `<${name}/>`,
      `<${name}></${name}>`,
      `<${name}> </${name}>`,
      `<${name}>yes</${name}>`,
      `<${name} value="yes"/>`,
      `<${name}><b/></${name}>`,
      `<${name}/><${name}/>`,
      `<${name.toUpperCase()}/>`,
      inPolicy(`<${name}/>`),
    ]),
    ...LIMITS.flatMap((name) => NUMBERS.map((text) => `<limit name="${name}">${text}</limit>`)),
    '<limit>1</limit>',
    '<limit name="">1</limit>',
    '<limit name="max_cats">1</limit>',
    '<limit name="AUTH_TIMEOUT">1</limit>',
    '<limit name="auth_timeout" name="auth_timeout">1</limit>',
    '<limit name="auth_timeout" unit="ms">1</limit>',
    '<limit Name="auth_timeout">1</limit>',
    '<limit name="auth_timeout"/>',
    inPolicy('<limit name="auth_timeout">1</limit>'),
    ...includeCases(),
    ...mediationCases(),
  ];
  return texts.map((text) => ({ name: text, text }));
}

function includeCases(): string[] {
  const flags = ['yes', 'no', 'YES', 'true', '', '1', 'x'];
  const names = ['ignore_missing', 'if_selinux_enabled', 'selinux_root_relative'];
  return [
    '<include>/nonexistent</include>',
    '<include/>',
    '<include> </include>',
    ...names.flatMap((name) =>
      flags.map((flag) => `<include ignore_missing="yes" ${name}="${flag}">/nonexistent</include>`),
    ),
    ...names.flatMap((name) =>
      flags.map((flag) => `<include ${name}="${flag}">/nonexistent</include>`),
    ),
    '<include missing="yes">/nonexistent</include>',
    '<include ignore_missing="yes">/dev/null</include>',
    '<include ignore_missing="yes">/</include>',
    '<includedir ignore_missing="yes">/nonexistent</includedir>',
    inPolicy('<include ignore_missing="yes">/nonexistent</include>'),
  ];
}

function mediationCases(): string[] {
  return [
    '<selinux/>',
    '<selinux>x</selinux>',
    '<selinux mode="x"/>',
    '<selinux><associate own="a.B" context="x"/></selinux>',
    '<selinux><associate own="a.B"/></selinux>',
    '<selinux><associate context="x"/></selinux>',
    '<selinux><associate own="a.B" context="x" more="y"/></selinux>',
    '<selinux><associate own="" context=""/></selinux>',
    '<selinux><associate own="a.B" context="x">y</associate></selinux>',
    '<selinux><deny own="*"/></selinux>',
    '<associate own="a.B" context="x"/>',
    ...['enabled', 'disabled', 'Enabled', '', 'on', 'enabled '].map(
      (mode) => `<apparmor mode="${mode}"/>`,
    ),
    '<apparmor/>',
    '<apparmor>x</apparmor>',
    '<apparmor level="x"/>',
    '<apparmor mode="disabled"/><apparmor mode="enabled"/>',
    inPolicy('<apparmor mode="enabled"/>'),
  ];
}

function placeCases(): Misspelling[] {
  return [
    'text',
    '<busconfig/>',
    '<deny own="*"/>',
    '<polcy context="default"/>',
    '<policy context="default"><policy context="default"/></policy>',
    '<policy context="default">text</policy>',
    '<policy context="default"><busconfig/></policy>',
    '<!-- comment -->',
    '<?pi x?>',
    '<![CDATA[ ]]>',
    '<![CDATA[x]]>',
    '&amp;',
    '&nosuch;',
    '<x:policy context="default"/>',
    '<policy context=default/>',
    "<policy context='default'/>",
    '<policy context="&#100;efault"><deny own="a&#46;B"/></policy>',
    '<policy context="default"><deny own="a.B"></policy>',
    '<policy context="default"',
    '<type><![CDATA[session]]></type>',
    '<type>sess&#105;on</type>',
    '<type>se<!-- -->ssion</type>',
    '<type>session</type> <type>system</type>',
    '\u0001',
    '<type>\uFFFE</type>',
  ].map((text) => ({ name: JSON.stringify(text), text }));
}

/** Every element and attribute of busconfig with each kind of mistake, and a few that are none. */
export function misspellings(): Misspelling[] {
  return [...ruleCases(), ...policyCases(), ...elementCases(), ...placeCases()];
}
