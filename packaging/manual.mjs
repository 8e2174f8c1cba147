// Makes manual pages and completions from what the programs themselves know about their command lines.
// usage: node packaging/manual.mjs DIRECTORY   (after a build)
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { bridgeProgram } from '#bridge/cli/commands.js';
import { DAEMON_HELP } from '#bridge/cli/daemon-arguments.js';

const ROOT = resolve(import.meta.dirname, '..');
/** Dated by the version's own list of changes, so that the same sources make the same pages. */
const seconds =
  process.env.SOURCE_DATE_EPOCH ?? statSync(join(ROOT, 'CHANGELOG.md')).mtimeMs / 1000;
const DATE = new Date(Number(seconds) * 1000).toISOString().slice(0, 10);
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

const program = bridgeProgram(() => {});
const commands = program.commands;

/** Text for troff: a backslash, a hyphen and a dot or quote that begins a line mean something there. */
export const escaped = (text) =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/gm, '\\&');

function page(name, section, parts) {
  const words = [
    escaped(name.toUpperCase()),
    section,
    DATE,
    `bus1\\-bridge ${version}`,
    'bus1\\-bridge',
  ];
  const title = `.TH ${words.map((word) => `"${word}"`).join(' ')}`;
  // Long lists without a space cannot be adjusted to both margins.
  return `${[title, '.ad l', ...parts].join('\n')}\n`;
}

const named = (name, text) => [
  '.SH NAME',
  `${escaped(name)} \\- ${escaped(text.replace(/[.]$/, ''))}`,
];

const optionList = (options) =>
  options.flatMap(({ flags, description }) => [
    '.TP',
    `.B ${escaped(flags)}`,
    escaped(description),
  ]);

const optionsOf = (command) => [
  ...command.options.map(({ flags, description, defaultValue }) => ({
    flags,
    description:
      defaultValue === undefined ? description : `${description} (${defaultValue} by default)`,
  })),
  { flags: '-h, --help', description: 'shows what there is' },
];

const argumentsOf = (command) =>
  command.registeredArguments.map((one) => ({ flags: one.name(), description: one.description }));

function synopsis(path, command) {
  const words = command.registeredArguments.map((one) => {
    const name = one.name() + (one.variadic ? '...' : '');
    return one.required ? name : `[${name}]`;
  });
  return ['.SH SYNOPSIS', `.B ${escaped(path)}`, escaped(['[option...]', ...words].join(' '))];
}

const SEE_ALSO = [
  '.SH SEE ALSO',
  '.BR bus1\\-bridge (1),',
  '.BR bus1\\-dbus\\-daemon (1),',
  '.BR dbus\\-daemon (1)',
];

const EXIT_STATUS = [
  '.SH EXIT STATUS',
  ...[
    ['0', 'The command did what it was asked to do.'],
    ['1', 'Something failed, or what was asked about is wrong or forbidden.'],
    ['2', 'The command line is wrong.'],
  ].flatMap(([status, meaning]) => ['.TP', `.B ${status}`, meaning]),
  '.PP',
  escaped(
    'What failed is one line on standard error, also with --json: ' +
      'standard output then has whole results in JSON, or nothing.',
  ),
];

function commandParts(path, command) {
  const list = [...argumentsOf(command), ...optionsOf(command)];
  return [...synopsis(path, command), '.SH OPTIONS', ...optionList(list)];
}

function commandPage(command) {
  const path = `bus1-bridge ${command.name()}`;
  const name = path.replace(' ', '-');
  const parts = [
    ...named(name, command.description()),
    ...(command.commands.length === 0
      ? commandParts(path, command)
      : [
          ...synopsis(path, command),
          '.SH COMMANDS',
          ...command.commands.flatMap((one) => subcommand(path, one)),
        ]),
    ...SEE_ALSO,
  ];
  return [`man/man1/${name}.1`, page(name, 1, parts)];
}

function subcommand(path, command) {
  const list = [...argumentsOf(command), ...optionsOf(command)];
  return [
    `.SS ${escaped(`${path} ${command.name()}`)}`,
    escaped(command.description()),
    ...optionList(list),
  ];
}

function mainPage() {
  const parts = [
    ...named('bus1-bridge', program.description()),
    '.SH SYNOPSIS',
    '.B bus1\\-bridge',
    'command [option...]',
    '.SH COMMANDS',
    ...commands.flatMap((one) => [
      '.TP',
      `.BR bus1\\-bridge\\-${escaped(one.name())} (1)`,
      escaped(one.description()),
    ]),
    '.SH OPTIONS',
    ...optionList(optionsOf(program)),
    ...EXIT_STATUS,
    ...SEE_ALSO,
  ];
  return ['man/man1/bus1-bridge.1', page('bus1-bridge', 1, parts)];
}

/** The options in the text of --help: a line that begins with two spaces and a hyphen. */
export function daemonOptions(help = DAEMON_HELP) {
  return help.split('\n').flatMap((line) => {
    const [, flags, description] = /^ {2}(-\S.*?)(?: {2,}(.*))?$/.exec(line) ?? [];
    return flags === undefined
      ? []
      : [{ flags, description: description ?? 'shows what there is' }];
  });
}

function daemonPage() {
  const [usage, , about] = DAEMON_HELP.split('\n');
  const parts = [
    ...named('bus1-dbus-daemon', about),
    '.SH SYNOPSIS',
    '.B bus1\\-dbus\\-daemon',
    escaped(usage.replace('Usage: bus1-dbus-daemon ', '')),
    '.SH OPTIONS',
    ...optionList(daemonOptions()),
    '.SH SIGNALS',
    escaped(DAEMON_HELP.trim().split('\n').at(-1)),
    ...SEE_ALSO,
  ];
  return ['man/man1/bus1-dbus-daemon.1', page('bus1-dbus-daemon', 1, parts)];
}

/** A page of docs/, as far as it is headings, paragraphs and examples; tables become lines of their own. */
function documentPage(name, section, about, file) {
  const parts = named(name, about);
  let isLiteral = false;
  const literal = (on) => {
    if (on !== isLiteral) parts.push(on ? '.EX' : '.EE');
    isLiteral = on;
  };
  parts.push('.SH DESCRIPTION');
  let isFenced = false;
  for (const line of readFileSync(join(ROOT, file), 'utf8').trim().split('\n').slice(1)) {
    if (line.startsWith('```')) {
      isFenced = !isFenced;
      literal(isFenced);
    } else if (isFenced) parts.push(line === '' ? '\\&' : escaped(line));
    else if (/^#+ /.test(line))
      parts.push(`.SH ${escaped(line.replace(/^#+ /, '').toUpperCase())}`);
    else if (/^\|[-| ]+\|$/.test(line)) continue;
    else if (line.startsWith('|')) {
      const [first, ...rest] = line
        .split('|')
        .map((cell) => cell.trim())
        .filter(Boolean)
        .map(plain);
      parts.push('.TP', first ?? '', rest.join('; ') || '\\&');
    } else if (line === '') parts.push(isParagraph(parts) ? '.PP' : '');
    else parts.push(plain(line));
  }
  literal(false);
  const clean = parts.filter(
    (line, index) => line !== '' && !(line === '.PP' && /^\.[ST]/.test(parts[index + 1] ?? '.S')),
  );
  return [`man/man${section}/${name}.${section}`, page(name, section, [...clean, ...SEE_ALSO])];
}

const isParagraph = (parts) => !/^\.(?:SH|PP)/.test(parts.at(-1) ?? '.SH');

const plain = (text) =>
  escaped(text.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]{1,2}/g, ''));

const longFlags = (command) => [
  ...command.options.map(({ long }) => long).filter(Boolean),
  '--help',
];

const daemonFlags = () => daemonOptions().flatMap(({ flags }) => flags.match(/--[\w-]+/g) ?? []);

function bashCompletion() {
  const cases = commands.map((one) => {
    const words = [
      ...one.commands.map((sub) => sub.name()),
      ...new Set([one, ...one.commands].flatMap(longFlags)),
    ];
    return `    ${one.name()}) words='${words.join(' ')}' ;;`;
  });
  return `# bash completion for bus1-bridge and bus1-dbus-daemon
_bus1_bridge() {
  local word=\${COMP_WORDS[COMP_CWORD]} words
  if [ "$COMP_CWORD" -gt 1 ]; then
    case \${COMP_WORDS[1]} in
${cases.join('\n')}
    *) words=--help ;;
    esac
  else
    words='${[...commands.map((one) => one.name()), '--version', '--help'].join(' ')}'
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
_bus1_dbus_daemon() {
  COMPREPLY=($(compgen -W '${daemonFlags().join(' ')}' -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _bus1_bridge bus1-bridge
complete -o default -F _bus1_dbus_daemon bus1-dbus-daemon
`;
}

function zshCompletion() {
  const cases = commands.map((one) => {
    const words = [
      ...one.commands.map((sub) => sub.name()),
      ...new Set([one, ...one.commands].flatMap(longFlags)),
    ];
    return `    ${one.name()}) compadd -- ${words.join(' ')} ;;`;
  });
  return `#compdef bus1-bridge bus1-dbus-daemon
if [[ $service == bus1-dbus-daemon ]]; then
  compadd -- ${daemonFlags().join(' ')}
elif (( CURRENT == 2 )); then
  compadd -- ${[...commands.map((one) => one.name()), '--version', '--help'].join(' ')}
else
  case $words[2] in
${cases.join('\n')}
  esac
  _files
fi
`;
}

const quoted = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function fishCompletion() {
  const lines = commands.flatMap((one) => [
    `complete -c bus1-bridge -n __fish_use_subcommand -a ${one.name()} -d ${quoted(one.description())}`,
    ...[one, ...one.commands].flatMap((command) =>
      command.options.map(
        ({ long, description }) =>
          `complete -c bus1-bridge -n '__fish_seen_subcommand_from ${one.name()}' ` +
          `-l ${long.slice(2)} -d ${quoted(description)}`,
      ),
    ),
  ]);
  const daemon = daemonFlags().map((flag) => `complete -c bus1-dbus-daemon -l ${flag.slice(2)}`);
  return `${[...lines, ...daemon].join('\n')}\n`;
}

/** Paths below share/, and texts. */
export function manual() {
  return [
    mainPage(),
    ...commands.map(commandPage),
    daemonPage(),
    documentPage('bus1-bridge.yaml', 5, 'policies of a D-Bus message bus', 'docs/policy.md'),
    ['bash-completion/completions/bus1-bridge', bashCompletion()],
    ['bash-completion/completions/bus1-dbus-daemon', bashCompletion()],
    ['zsh/vendor-completions/_bus1-bridge', zshCompletion()],
    ['fish/vendor_completions.d/bus1-bridge.fish', fishCompletion()],
  ];
}

if (process.argv[1] === import.meta.filename) {
  const [directory = 'build/share'] = process.argv.slice(2);
  for (const [path, text] of manual()) {
    const file = join(directory, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}
