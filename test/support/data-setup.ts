import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SHARE = '/usr/share';

/**
 * The services that a session bus under test may start, by the packages in test/apt-packages.txt.
 * What else is installed on the machine, a desktop for instance, must not change what a test sees.
 */
const SERVICES = [
  'ca.desrt.dconf',
  'org.a11y.Bus',
  'org.freedesktop.impl.portal.PermissionStore',
  'org.freedesktop.impl.portal.Secret',
  'org.freedesktop.portal.Desktop',
  'org.freedesktop.portal.Documents',
  'org.freedesktop.secrets',
  'org.freedesktop.systemd1',
  'org.gnome.keyring',
  'org.gnome.keyring.PrivatePrompter',
  'org.gnome.keyring.SystemPrompter',
  'org.mpris.MediaPlayer2.playerctld',
].map((name) => `${name}.service`);

const PORTALS = ['gnome-keyring.portal'];

/** Lets every bus of a run find the files of these services in XDG_DATA_DIRS, and of no others. */
export default function setup(): void {
  const share = join(tmpdir(), 'share');
  const portals = join(share, 'xdg-desktop-portal/portals');
  linkAllBut(SHARE, share, ['applications', 'dbus-1', 'xdg-desktop-portal']);
  linkAllBut(join(SHARE, 'dbus-1'), join(share, 'dbus-1'), ['services']);
  /* no program is there to open a folder or a link with */
  mkdirSync(join(share, 'applications'));
  linkSome(join(SHARE, 'dbus-1/services'), join(share, 'dbus-1/services'), SERVICES);
  maskOthers(join(SHARE, 'dbus-1/services'), join(share, 'dbus-1/services'));
  linkSome(join(SHARE, 'xdg-desktop-portal/portals'), portals, PORTALS);
  process.env['XDG_DATA_DIRS'] = share;
  process.env['XDG_DESKTOP_PORTAL_DIR'] = portals;
}

/** A session bus looks below /usr/share in any case, but last: a service of the same name comes before it. */
function maskOthers(from: string, to: string): void {
  const files = existsSync(from) ? readdirSync(from) : [];
  for (const file of files.filter((name) => !SERVICES.includes(name))) {
    const [, name] = /^Name=(.*)$/m.exec(readFileSync(join(from, file), 'utf8')) ?? [];
    if (name === undefined) continue;
    writeFileSync(join(to, file), `[D-BUS Service]\nName=${name}\nExec=/bin/false\n`);
  }
}

function linkAllBut(from: string, to: string, others: readonly string[]): void {
  const names = existsSync(from) ? readdirSync(from) : [];
  linkSome(
    from,
    to,
    names.filter((name) => !others.includes(name)),
  );
}

function linkSome(from: string, to: string, names: readonly string[]): void {
  mkdirSync(to, { recursive: true });
  for (const name of names) {
    if (existsSync(join(from, name))) symlinkSync(join(from, name), join(to, name));
  }
}
