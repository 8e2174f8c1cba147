// Makes build/bus1-bridge_VERSION_ARCH.deb of dist/.   usage: npm run package:deb
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { manual } from './manual.mjs';

const ROOT = resolve(import.meta.dirname, '..');
const STAGE = join(ROOT, 'build/deb');
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
/** Debian's name for what Node calls this machine. */
const ARCHITECTURE = { x64: 'amd64', arm64: 'arm64', riscv64: 'riscv64', loong64: 'loong64' }[
  process.arch
];
const EPOCH = Number(
  process.env.SOURCE_DATE_EPOCH ?? statSync(join(ROOT, 'CHANGELOG.md')).mtimeMs / 1000,
);

function put(path, text, mode = 0o644) {
  const file = join(STAGE, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
}

const compressed = (text) => gzipSync(text, { level: 9 });

function programs() {
  const script = join(ROOT, 'packaging/install.sh');
  execFileSync('sh', [script, ROOT, join(ROOT, 'node_modules'), STAGE], { stdio: 'inherit' });
}

function documentation() {
  for (const [path, text] of manual()) {
    const isPage = path.startsWith('man/');
    put(`usr/share/${path}${isPage ? '.gz' : ''}`, isPage ? compressed(text) : text);
  }
  const doc = 'usr/share/doc/bus1-bridge';
  for (const name of [
    'architecture',
    'adoption',
    'configuration',
    'operations',
    'packaging',
    'policy',
  ]) {
    put(`${doc}/${name}.md`, readFileSync(join(ROOT, `docs/${name}.md`)));
  }
  for (const name of ['session.yaml', 'system.yaml']) {
    put(`${doc}/examples/${name}`, readFileSync(join(ROOT, 'policy', name)));
  }
  const date = new Date(EPOCH * 1000).toUTCString().replace('GMT', '+0000');
  const entry = `bus1-bridge (${version}) unstable; urgency=medium

  * See /usr/share/doc/bus1-bridge/NEWS.gz.

 -- bus1-bridge developers <bus1-bridge@example.org>  ${date}
`;
  put(`${doc}/changelog.gz`, compressed(entry));
  put(`${doc}/NEWS.gz`, compressed(readFileSync(join(ROOT, 'CHANGELOG.md'))));
  const inside = readFileSync(join(ROOT, 'dist/LICENCES.txt'), 'utf8');
  const koffi = readFileSync(join(ROOT, 'node_modules/koffi/LICENSE.txt'), 'utf8');
  const apache =
    'On Debian systems the Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0.';
  put(
    `${doc}/copyright`,
    `bus1-bridge is under the Apache License, Version 2.0. ${apache}\n\n${withoutApache(inside)}\n== koffi\n\n${koffi}`,
  );
}

/** The text that every Debian system has is not shipped again. */
const withoutApache = (text) =>
  text.replace(
    /^.*Apache License\n.*Version 2\.0, January 2004[^]*?(?=\n== |(?![^]))/gm,
    'Apache License 2.0, see above.\n',
  );

/** Before its program goes, the adoption does: the next boot has dbus-daemon again. */
function takeBack() {
  const removal = `#!/bin/sh
set -e
if [ "$1" = remove ]; then /usr/lib/bus1-bridge/take-back; fi
`;
  put('DEBIAN/prerm', removal, 0o755);
}

function control() {
  const size = execFileSync('du', ['-sk', '--exclude=DEBIAN', STAGE], { encoding: 'utf8' });
  put(
    'DEBIAN/control',
    `Package: bus1-bridge
Version: ${version}
Architecture: ${ARCHITECTURE}
Maintainer: bus1-bridge developers <bus1-bridge@example.org>
Installed-Size: ${Number.parseInt(size, 10)}
Depends: nodejs (>= 20.19), dbus, libc6
Section: admin
Priority: optional
Description: D-Bus message bus on a capability core
 Unmodified D-Bus software connects to it as to any other bus. It takes the
 command line and the configuration files of dbus-daemon.
 .
 Nothing changes by the installation: "bus1-bridge adopt" lets systemd start it
 in the place of dbus-daemon, and "bus1-bridge adopt --back" undoes that.
`,
  );
}

/**
 * V8's code is cached for the system bus (bridge/control/code-cache.ts) by a bus that runs a program and ends;
 * and again when Node has changed.
 */
function codeCache() {
  const script = `#!/bin/sh
set -e
if [ "$1" = configure ] || [ "$1" = triggered ]; then
  timeout 20 bus1-bridge run --address unix:tmpdir=/run -- true >/dev/null 2>&1 || true
fi
`;
  put('DEBIAN/postinst', script, 0o755);
  put('DEBIAN/triggers', 'interest-noawait /usr/bin/node\n');
  const removal = `#!/bin/sh
set -e
if [ "$1" = remove ] || [ "$1" = purge ]; then rm -rf /var/cache/bus1-bridge; fi
`;
  put('DEBIAN/postrm', removal, 0o755);
}

/** As if umask were 022: what is packed does not depend on who packs. */
function openModes(folder) {
  chmodSync(folder, 0o755);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) openModes(path);
    else if (entry.isFile())
      chmodSync(path, readFileSync(path).subarray(0, 2).toString() === '#!' ? 0o755 : 0o644);
  }
}

rmSync(STAGE, { recursive: true, force: true });
programs();
documentation();
takeBack();
control();
codeCache();
openModes(STAGE);
const sums = execFileSync(
  'sh',
  ['-c', 'find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum'],
  { cwd: STAGE },
);
put('DEBIAN/md5sums', sums);
const deb = join(ROOT, `build/bus1-bridge_${version}_${ARCHITECTURE}.deb`);
execFileSync('dpkg-deb', ['--root-owner-group', '-Zxz', '--build', STAGE, deb], {
  stdio: 'inherit',
});
