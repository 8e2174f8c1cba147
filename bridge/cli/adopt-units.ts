import { homedir } from 'node:os';
import { join } from 'node:path';

/** A folder in which an administrator or a user changes units, and the systemctl(1) that works on it. */
export interface UnitFolder {
  readonly path: string;
  readonly control: string;
}

const isOwn = (root: string): boolean => process.getuid?.() !== 0 && root === '/';

/** Where the units of a user's manager are changed: for this user, or for all of them. */
export function userUnits(root: string): string {
  return isOwn(root) ? ownUnits() : join(root, 'etc/systemd/user');
}

/** systemd.unit(5), "Unit File Load Path": where a manager looks before it looks into the folders of packages. */
export function unitFolders(manager: 'system' | 'user', root: string): readonly UnitFolder[] {
  const control = manager === 'system' ? 'systemctl' : 'systemctl --global';
  const common = { path: join(root, 'etc/systemd', manager), control };
  const own = { path: ownUnits(), control: 'systemctl --user' };
  return manager === 'user' && isOwn(root) ? [own, common] : [common];
}

function ownUnits(): string {
  const configHome = process.env['XDG_CONFIG_HOME'];
  const base = configHome?.startsWith('/') === true ? configHome : join(homedir(), '.config');
  return join(base, 'systemd/user');
}
