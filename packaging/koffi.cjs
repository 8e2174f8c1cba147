// koffi, without what it does to find its native part on other systems: that reads Node's own program file. Wherever
// the short way does not lead there (musl, other package managers, a build from source), koffi itself goes.
const { version } = require('../node_modules/koffi/package.json');

function find() {
  try {
    const { arch } = process;
    const native = require(`@koromix/koffi-linux-${arch}/linux_${arch}/koffi.node`);
    if (native.version === version) return native;
  } catch {
    // what is wrong, if anything, is told by koffi
  }
  return externalKoffi();
}

function externalKoffi() {
  const koffi = require('koffi');
  return koffi.default ?? koffi;
}

module.exports = find();
