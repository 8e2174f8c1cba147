import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { fieldsOf, textOrNone } from '#bridge/wire/fields.js';

import { versionText as ownVersion } from '#bridge/control/version.js';

/** What is needed to repeat a run, or to compare it with another. */
export interface Machine {
  readonly date: string;
  /** name and version of everything that takes part; what is not installed is missing */
  readonly versions: Readonly<Record<string, string>>;
  readonly kernel: string;
  readonly arch: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  /** cpufreq's governor; 'none' where the machine has no such thing */
  readonly governor: string;
  /** the hypervisor or container, by systemd-detect-virt(1); 'none' on bare metal */
  readonly virtualisation: string;
  /** vulnerabilities of the processor that the kernel works around, which costs system calls time */
  readonly mitigations: readonly string[];
  /** runnable processes, averaged over the last minute, before the run */
  readonly loadBefore: number;
}

/** @param now the date that the report bears */
export function describeMachine(now: Date): Machine {
  return {
    date: now.toISOString(),
    versions: versions(),
    kernel: release(),
    arch: process.arch,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    governor: text('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor') ?? 'none',
    virtualisation: firstLine('systemd-detect-virt', []) ?? 'unknown',
    mitigations: mitigations(),
    loadBefore: loadOfMinute(),
  };
}

/** The load average of the last minute. */
export function loadOfMinute(): number {
  const [load = 0] = loadavg();
  return load;
}

/** On a machine that is busy with something else, the scheduler decides who is faster. */
export function busyWarning({ cores, loadBefore }: Machine, loadAfter: number): string | undefined {
  /* a run keeps a caller, a service and a bus busy, so the load afterwards is no evidence */
  if (loadBefore <= cores / 4) return undefined;
  return (
    `warning: the machine was busy with something else: load ${loadBefore.toFixed(2)} before the run ` +
    `and ${loadAfter.toFixed(2)} after it, on ${cores} cores`
  );
}

function versions(): Record<string, string> {
  const found = {
    'bus1-bridge': ownVersion(),
    Node: process.version,
    'dbus-daemon': firstLine('dbus-daemon', ['--version']),
    'dbus-broker': firstLine('dbus-broker', ['--version']),
    'xdg-dbus-proxy': firstLine('xdg-dbus-proxy', ['--version']),
    'dbus-next': packageVersion('dbus-next'),
  };
  return Object.fromEntries(
    Object.entries(found).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

/** The version in a package's own description, if it is installed beside this one. */
function packageVersion(name: string): string | undefined {
  for (let folder = new URL('..', import.meta.url); ; folder = new URL('..', folder)) {
    const file = text(new URL(`node_modules/${name}/package.json`, folder));
    if (file !== undefined) return textOrNone(fieldsOf(JSON.parse(file))['version']);
    if (folder.pathname === '/') return undefined;
  }
}

function mitigations(): string[] {
  const folder = '/sys/devices/system/cpu/vulnerabilities';
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .map((name) => `${name}: ${text(`${folder}/${name}`) ?? ''}`)
    .filter((line) => line.includes('Mitigation'));
}

function text(path: string | URL): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** undefined where there is no such program. */
function firstLine(command: string, args: readonly string[]): string | undefined {
  const { stdout, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (error !== undefined) return undefined;
  return stdout.split('\n')[0]?.trim() || undefined;
}
