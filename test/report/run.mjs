// npm run test:report: the HTML report of `bus1-bridge bench`, looked at in a real browser.
//
// The browser has no network. It takes root, or a kernel that lets users have namespaces, and the packages of
// test/apt-report.txt, which are installed if they are not there. Pictures are left in REPORT_FOLDER. With an
// argument: looks at that report, and measures nothing.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const HERE = import.meta.dirname;
const ROOT = resolve(HERE, '../..');
const FOLDER = process.env.REPORT_FOLDER ?? '/tmp/bus1-report';
const TABLES = 'buses,idle-connections,start';

const SCHEMES = [
  { scheme: 'light', flags: [] },
  { scheme: 'dark', flags: ['--blink-settings=preferredColorScheme=0'] },
];
const WIDTHS_PX = [1400, 1024, 420];

const isRoot = process.getuid() === 0;

function install() {
  const packages = readFileSync(join(ROOT, 'test/apt-report.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const { status } = spawnSync('dpkg-query', ['-W', ...packages], { stdio: 'ignore' });
  if (status === 0) return;
  execFileSync('apt-get', ['install', '--yes', '--no-install-recommends', ...packages], {
    stdio: 'inherit',
  });
}

function print(line) {
  process.stdout.write(`${line}\n`);
}

function measure() {
  const file = join(FOLDER, 'report.html');
  const words = ['--tables', TABLES, '--rounds', '3', '--duration-ms', '50', '--html', file];
  execFileSync(process.execPath, [join(ROOT, 'dist/bridge/bench/main.js'), ...words], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return file;
}

/** What the browser prints to standard output. */
function browse(page, widthPx, heightPx, flags) {
  const profile = mkdtempSync(join(tmpdir(), 'bus1-report-'));
  const words = [
    ...(isRoot ? ['--net'] : ['--net', '--map-root-user']),
    'chromium',
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--hide-scrollbars',
    `--user-data-dir=${profile}`,
    '--virtual-time-budget=5000',
    `--window-size=${widthPx},${heightPx}`,
    ...flags,
    `file://${page}`,
  ];
  try {
    const options = { encoding: 'utf8', maxBuffer: 2 ** 26, stdio: ['ignore', 'pipe', 'ignore'] };
    return execFileSync('unshare', words, { ...options, timeout: 120_000 });
  } finally {
    rmSync(profile, { recursive: true, force: true });
  }
}

/** A copy of the report that reports on itself. */
function pageWithLook(report) {
  const page = join(FOLDER, 'look.html');
  const catcher =
    '<script>globalThis.failures = []; addEventListener("error", ({ message }) => failures.push(message));</script>';
  const look = `<script>${readFileSync(join(HERE, 'look.js'), 'utf8')}</script>`;
  const html = readFileSync(report, 'utf8');
  writeFileSync(
    page,
    html.replace('<head>', `<head>${catcher}`).replace('</body>', `${look}</body>`),
  );
  return page;
}

function lookAt(page, report, { scheme, flags }, widthPx) {
  const dom = browse(page, widthPx, 1000, [...flags, '--dump-dom']);
  const json = /<script type="application\/json" id="findings">(.*?)<\/script>/s.exec(dom)?.[1];
  if (json === undefined) throw new Error('the page has not come to its end in the browser');
  const result = JSON.parse(json);
  const picture = join(FOLDER, `${scheme}-${widthPx}.png`);
  browse(report, widthPx, result.heightPx, [...flags, `--screenshot=${picture}`]);
  return { ...result, picture };
}

install();
mkdirSync(FOLDER, { recursive: true });
const [given] = process.argv.slice(2);
const report = given === undefined ? measure() : resolve(given);
const page = pageWithLook(report);
let count = 0;
for (const scheme of SCHEMES)
  for (const widthPx of WIDTHS_PX) {
    const { findings, plots, tables, picture } = lookAt(page, report, scheme, widthPx);
    if (plots === 0 || tables === 0) findings.push('it has no plots, or no tables');
    count += findings.length;
    print(`${scheme.scheme}, ${widthPx} px wide: ${plots} plots, ${tables} tables; ${picture}`);
    for (const finding of findings) print(`  ${finding}`);
  }
print(count === 0 ? 'nothing lies over anything else, is cut or too faint' : `${count} findings`);
if (count > 0) process.exitCode = 1;
