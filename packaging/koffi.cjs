// koffi, without what it does to find its native part on other systems: that reads Node's own program file. Wherever
// the short way does not lead there (musl, other package managers, a build from source), koffi itself goes.
const { existsSync } = require('node:fs');
const path = require('node:path');
const { version } = require('../node_modules/koffi/package.json');

function find() {
  try {
    const native = { exports: {} };
    process.dlopen(native, nativeFile());
    if (native.exports.version === version) return native.exports;
  } catch {
    // what is wrong, if anything, is told by koffi
  }
  return externalKoffi();
}

/** Looked for by hand, and opened without `require`, which would read two files to learn what kind of file this is. */
function nativeFile() {
  const { arch } = process;
  const name = `@koromix/koffi-linux-${arch}/linux_${arch}/koffi.node`;
  return require.resolve
    .paths(name)
    .map((folder) => path.join(folder, name))
    .find((file) => existsSync(file));
}

function externalKoffi() {
  const koffi = require('koffi');
  return koffi.default ?? koffi;
}

module.exports = find();
