import { endianness } from 'node:os';
import { LISTEN_FDS_START, inheritedSockets } from './inherited-sockets.js';
import { CALLER_ENVIRONMENT, encodeEntries, steersNode } from './caller-environment.js';
import { saveCode, setRunningFlags } from './code-cache.js';
import { textOfUnforeseen } from './file-text.js';
import { versionLine } from './version.js';

/** package.json, "engines". */
const NODE_MIN = [20, 19] as const;

/** Architectures of 64 bits; the rings and structures of the core are little-endian. */
const ARCHITECTURES = ['arm64', 'loong64', 'ppc64', 'riscv64', 'x64'];

/** Loads the modules of the program. */
type Main = () => Promise<{ readonly main: () => Promise<number> }>;

/**
 * Runs a program of this package to its exit status; an error becomes one line, and status 1, or 2 for a mistake in the
 * command line. Before the program's first module is loaded, this process shuts out everything by which Node can be
 * steered from outside: environment variables and the debugger.
 */
export async function runOwn(program: string, load: Main): Promise<void> {
  process.on('SIGUSR1', ignore);
  process.stdout.on('error', (error) => stdoutFailed(program, error));
  process.once('exit', saveCode);
  setTimeout(hasStarted, STARTED_MS).unref();
  try {
    refuseMachine();
    if (asksForVersion()) {
      process.stdout.write(versionLine(program));
      return;
    }
    closeDebugger();
    leaveLostDirectory();
    await leaveSteeringBehind();
    const { main } = await load();
    process.exitCode = await main();
  } catch (error) {
    process.stderr.write(`${program}: ${oneLine(error)}\n`);
    process.exitCode = isUsage(error) ? STATUS_USAGE : 1;
  }
}

const STATUS_USAGE = 2;

/** By then a bus listens. */
const STARTED_MS = 1000;

function hasStarted(): void {
  saveCode();
  setRunningFlags();
}

/** The version is printed before anything is loaded, because scripts ask for it again and again. */
function asksForVersion(): boolean {
  return process.argv.length === 3 && process.argv[2] === '--version';
}

/** SIGUSR1 would open Node's debugger to everybody on this machine. */
function ignore(): void {}

/** Closes a debugger that SIGUSR1 opened before the listener was there, but not one opened by --inspect. */
function closeDebugger(): void {
  const isWanted = process.execArgv.some((word) => word.startsWith('--inspect'));
  if (isWanted || !process.features.inspector) return;
  const inspector = process.getBuiltinModule('node:inspector');
  if (inspector.url() !== undefined) inspector.close();
}

/** @throws Error on a machine, or with a version of Node, that is not supported */
function refuseMachine(): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [needsMajor, needsMinor] = NODE_MIN;
  if (major < needsMajor || (major === needsMajor && minor < needsMinor)) {
    const todo = `install Node.js ${NODE_MIN.join('.')} or later, or put it first on PATH`;
    throw new Error(`Node.js ${process.versions.node} at ${process.execPath} is too old; ${todo}`);
  }
  const { platform, arch } = process;
  if (platform === 'linux' && ARCHITECTURES.includes(arch) && endianness() === 'LE') return;
  const found = `${platform} on ${arch}, ${endianness() === 'LE' ? 'little' : 'big'}-endian`;
  throw new Error(`this needs a 64-bit little-endian Linux, and this is ${found}`);
}

/** Node asks for its working directory often, and fails if that has been removed: changes to `/` then. */
function leaveLostDirectory(): void {
  try {
    process.cwd();
  } catch {
    process.chdir('/');
  }
}

/**
 * Starts over without the variables that steer Node, if there are any: Node has acted on them before our first line
 * runs. The same process goes on with a new program image (execve(2)).
 */
async function leaveSteeringBehind(): Promise<void> {
  const { env } = process;
  const names = Object.keys(env).filter(steersNode);
  if (names.length === 0) return;
  const entries = names.map((name) => [name, env[name] ?? ''] as const);
  const clean = Object.entries(env).filter(([name]) => !steersNode(name));
  const { replaceProcess, setCloseOnExec } = await import('#core/linux/index.js');
  for (const fd of passedDescriptors()) {
    try {
      setCloseOnExec(fd, false);
    } catch {
      // It was not passed; the code that uses it will report that.
    }
  }
  replaceProcess(
    process.execPath,
    [process.argv0, ...process.execArgv, ...process.argv.slice(1)],
    [...clean, [CALLER_ENVIRONMENT, encodeEntries(entries)]].map(
      ([name, value]) => `${name}=${value}`,
    ),
  );
}

/** Node closes inherited descriptors on exec. These must survive it: standard streams, options, sockets. */
function passedDescriptors(): number[] {
  const numbers = process.argv
    .slice(2)
    .flatMap((word) => /(?:^|[=/])(\d{1,9})$/.exec(word)?.[1] ?? []);
  const sockets = Array.from(
    { length: inheritedSockets(process.env) },
    (_, i) => LISTEN_FDS_START + i,
  );
  return [0, 1, 2, ...numbers.map(Number), ...sockets];
}

function stdoutFailed(program: string, error: NodeJS.ErrnoException): void {
  // The reader of our output has closed the pipe.
  if (error.code === 'EPIPE') return;
  process.stderr.write(`${program}: cannot write to standard output: ${error.message}\n`);
  process.exitCode = 1;
}

function oneLine(error: unknown): string {
  const text = textOfUnforeseen(error);
  if (!isKoffiMissing(error, text)) return text.trimEnd();
  const todo = `install it with the build for linux-${process.arch} (npm install koffi, without --omit=optional)`;
  return `the library koffi, which makes the system calls, cannot be loaded; ${todo}`;
}

function isKoffiMissing(error: unknown, text: string): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return (
    /native Koffi module/i.test(text) ||
    (/MODULE_NOT_FOUND|DLOPEN/.test(code) && /koffi/i.test(text))
  );
}

function isUsage(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'usage';
}
