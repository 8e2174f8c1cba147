import { existsSync, readFileSync, readdirSync, readlinkSync, realpathSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SESSION_CONFIG, SYSTEM_CONFIG, loadConfiguration } from '#bridge/control/configuration.js';
import { textOf } from '#bridge/control/startup-error.js';
import { formatDiagnostic } from '#policy/index.js';
import type { Place } from './adopt.js';
import { daemonCommand } from './adopt-command.js';
import { unitFolders } from './adopt-units.js';

const UNIT = 'dbus.service';
const ATTACH_UNIT = 'bus1-bridge-attach.service';

export interface AdoptionFinding {
  readonly severity: 'error' | 'warning';
  readonly text: string;
}

const error = (text: string): AdoptionFinding => ({ severity: 'error', text });
const warning = (text: string): AdoptionFinding => ({ severity: 'warning', text });

/** What would break, or be different, if systemd started this bus in the place of dbus-daemon. */
export function checkAdoption(places: readonly Place[], root: string): AdoptionFinding[] {
  const replaced = places.filter((place) => place !== 'attach');
  return [
    ...checkNode(),
    ...(places.includes('system') ? checkHome(root) : []),
    ...replaced.flatMap((place) => checkUnit(place, root)),
    ...(places.includes('attach') ? checkAttachUnit(root) : []),
    ...(replaced.length > 0 ? checkMediation(root) : []),
    ...replaced.flatMap((place) => checkConfiguration(place, root)),
  ];
}

function checkNode(): AdoptionFinding[] {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isTooOld = major < 20 || (major === 20 && minor < 19);
  return isTooOld ? [error(`Node ${process.versions.node} is too old: 20.19 is needed`)] : [];
}

/** Node, and the program: that of an image is a package's. */
function checkHome(root: string): AdoptionFinding[] {
  const why = 'is in a home directory, which may be unavailable when a system bus starts';
  return [...new Set([process.execPath, ...daemonCommand(root)])]
    .filter((path) => isInHome(path))
    .map((path) => error(`${path} ${why}`));
}

function isInHome(path: string): boolean {
  try {
    return /^\/(?:home|root)\//.test(realpathSync(path));
  } catch {
    return false;
  }
}

/** A drop-in for dbus.service has no effect, or an unintended one, if that unit is masked or is an alias. */
function checkUnit(place: Place, root: string): AdoptionFinding[] {
  const manager = place === 'system' ? 'system' : 'user';
  const changed = unitFolders(manager, root).find(({ path }) => hasUnit(path));
  if (changed === undefined) return checkPackagedUnit(manager, root);
  const { path, control } = changed;
  const link = join(path, UNIT);
  if (linkTarget(link) === '/dev/null') {
    return [error(`${link} is masked: no bus would start; run ${control} unmask dbus.service`)];
  }
  const unit = otherBus(link);
  if (unit === undefined) return [];
  return [
    error(`${link} is an alias for ${unit}, another bus; run ${control} disable ${unit} first`),
  ];
}

/** systemd.unit(5), "Unit File Load Path": where packages have their units. */
function packagedFolders(manager: string, root: string): string[] {
  return ['usr/local/lib', 'usr/lib', 'lib'].map((folder) =>
    join(root, folder, 'systemd', manager),
  );
}

/** npm installs no units. */
function checkAttachUnit(root: string): AdoptionFinding[] {
  const own = unitFolders('user', root).map(({ path }) => path);
  const folders = [...own, ...packagedFolders('user', root)];
  if (folders.some((folder) => existsSync(join(folder, ATTACH_UNIT)))) return [];
  const from = join(import.meta.dirname, '../../../packaging/units');
  return [error(`there is no ${ATTACH_UNIT} for user units: copy those in ${from} to ${own[0]}`)];
}

function checkPackagedUnit(manager: string, root: string): AdoptionFinding[] {
  const packaged = packagedFolders(manager, root).find((folder) => hasUnit(folder));
  if (packaged === undefined) {
    // Debian has the unit of users in a package of its own.
    const packages =
      manager === 'user' ? 'the package dbus, on Debian dbus-user-session' : 'the package dbus';
    return [error(`there is no dbus.service for ${manager} units: install ${packages}`)];
  }
  const link = join(packaged, UNIT);
  const unit = otherBus(link);
  if (unit === undefined) return [];
  const what = `${link} is an alias for ${unit}, another bus`;
  return [error(`${what}; install the package that makes dbus-daemon dbus.service instead`)];
}

/** The unit that a link leads to, if it is not dbus-daemon's: some distributions call that one dbus-daemon.service. */
function otherBus(link: string): string | undefined {
  const target = linkTarget(link);
  const unit = target === undefined ? UNIT : basename(target);
  return unit === UNIT || unit === 'dbus-daemon.service' ? undefined : unit;
}

/** Whether the folder has a file or a link of this name, wherever that leads. */
function hasUnit(path: string): boolean {
  try {
    return readdirSync(path).includes(UNIT);
  } catch {
    return false;
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Security modules judge messages through dbus-daemon; this bus does not ask them. */
function checkMediation(root: string): AdoptionFinding[] {
  if (root !== '/') return [];
  const findings: AdoptionFinding[] = [];
  if (readText('/sys/module/apparmor/parameters/enabled')?.startsWith('Y') === true) {
    const what = 'AppArmor is enabled: this bus does not apply the dbus rules in its profiles';
    if (existsSync('/sys/kernel/security/apparmor/features/dbus')) findings.push(warning(what));
  }
  if (readText('/sys/fs/selinux/enforce') === '1') {
    findings.push(
      warning('SELinux is enforcing: this bus does not apply its rules for D-Bus messages'),
    );
  }
  return findings;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

/** The files name paths of the running system, so those of an image can be checked only once it has booted. */
function checkConfiguration(place: Place, root: string): AdoptionFinding[] {
  const path = place === 'system' ? SYSTEM_CONFIG : SESSION_CONFIG;
  if (root !== '/') return [];
  try {
    return loadConfiguration(path).diagnostics.map((diagnostic) => {
      const { severity } = diagnostic;
      return (severity === 'error' ? error : warning)(formatDiagnostic(diagnostic));
    });
  } catch (failure) {
    return [error(textOf(failure))];
  }
}
