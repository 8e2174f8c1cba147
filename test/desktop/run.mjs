// npm run test:desktop: a desktop session from its start to the logout, on dbus-daemon and on this bus, compared.
//
// Everything runs in a mount and pid namespace of its own, as a user of its own; it takes root, and the packages of
// test/apt-desktop.txt, which are installed if they are not there. With arguments: only these arrangements.
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = resolve(HERE, '../..');
const FOLDER = process.env.DESKTOP_FOLDER ?? '/tmp/bus1-desktop';
const DESK_UID = 1500;
const FIRST_SCREEN = 80;

const ARRANGEMENTS = [
  { title: 'dbus-daemon', bus: 'dbus-daemon', hosts: 1 },
  { title: 'one host', bus: 'bus1', hosts: 1 },
  { title: 'two hosts', bus: 'bus1', hosts: 2 },
  /* the session is on dbus-daemon, and its user's programs are on the bridge beside it */
  { title: 'attached', bus: 'attached', hosts: 1 },
];

function install() {
  const packages = readFileSync(join(ROOT, 'test/apt-desktop.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const { status } = spawnSync('dpkg-query', ['-W', ...packages], { stdio: 'ignore' });
  if (status === 0) return;
  const words = ['install', '--yes', '--no-install-recommends', ...packages];
  const installed = spawnSync('apt-get', words, { stdio: 'inherit' });
  if (installed.status !== 0)
    throw new Error('the packages in test/apt-desktop.txt cannot be installed');
}

/** Runs one session; its outcomes by step and stage, and figures. */
function session({ title, bus, hosts }, number) {
  const out = join(FOLDER, title.replace(' ', '-'));
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  chmodSync(out, 0o777);
  const env = {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    OUT: out,
    HERE,
    DESK_UID: `${DESK_UID}`,
    SCREEN: `${FIRST_SCREEN + number + (process.pid % 500) * 4}`,
    BUS: bus,
    HOSTS: `${hosts}`,
    NODE: process.execPath,
    COMMANDS: join(ROOT, 'dist/bridge/cli'),
    PATIENCE_S: process.env.PATIENCE_S ?? '60',
  };
  const namespaces = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
  spawnSync('unshare', [...namespaces, join(HERE, 'inside.sh')], { env, stdio: 'inherit' });
  try {
    return JSON.parse(readFileSync(join(out, 'result.json'), 'utf8'));
  } catch (error) {
    throw new Error(`the session on ${title} came to nothing; see ${out}`, { cause: error });
  }
}

/** What a step was in each arrangement: "same" where nothing differs from dbus-daemon's. */
function compare(results) {
  const reference = results.get('dbus-daemon')?.outcomes;
  const rows = [];
  for (const [title, { outcomes }] of results) {
    for (const [step, stages] of Object.entries(outcomes)) {
      for (const [stage, outcome] of Object.entries(stages)) {
        const expected = step === 'migrate' ? { status: 0 } : reference?.[step]?.[''];
        const isSame =
          expected === undefined || JSON.stringify(outcome) === JSON.stringify(expected);
        rows.push({ title, step: step + stage.replace(/^(?=\w)/, ' '), isSame, outcome, expected });
      }
    }
  }
  return rows;
}

function print(results, rows) {
  const titles = [...results.keys()];
  const steps = [...new Set(rows.map(({ step }) => step))];
  const line = (first, cells) => process.stdout.write(`| ${[first, ...cells].join(' | ')} |\n`);
  line('step', titles);
  line(
    '---',
    titles.map(() => '---'),
  );
  for (const step of steps) {
    const cell = (title) => {
      const row = rows.find((each) => each.title === title && each.step === step);
      return row === undefined ? '' : row.isSame ? 'same' : 'DIFFERENT';
    };
    line(step, titles.map(cell));
  }
  const figures = [...new Set([...results.values()].flatMap((each) => Object.keys(each.figures)))];
  for (const figure of figures) {
    line(
      figure,
      titles.map((title) => results.get(title).figures[figure] ?? ''),
    );
  }
  for (const { title, step, isSame, outcome, expected } of rows) {
    if (isSame) continue;
    const texts = [outcome, expected].map((each) => JSON.stringify(each));
    process.stdout.write(`\n${title}, ${step}: ${texts[0]}\n  on dbus-daemon: ${texts[1]}\n`);
  }
  process.stdout.write(`\nscreenshots and logs: ${FOLDER}\n`);
}

const wanted = process.argv.slice(2);
if (process.getuid?.() !== 0)
  throw new Error('npm run test:desktop needs root: it makes namespaces');
install();
const results = new Map();
for (const [number, arrangement] of ARRANGEMENTS.entries()) {
  if (wanted.length > 0 && !wanted.includes(arrangement.title)) continue;
  process.stdout.write(`${arrangement.title} ...\n`);
  results.set(arrangement.title, session(arrangement, number));
}
const rows = compare(results);
print(results, rows);
process.exitCode = rows.every(({ isSame }) => isSame) ? 0 : 1;
