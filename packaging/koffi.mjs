// koffi, without what it does to find its native part on other systems: that reads Node's own program file. Wherever
// the short way does not lead there (musl, other package managers, a build from source), koffi itself goes.
import { createRequire } from 'node:module';
import { version } from '../node_modules/koffi/package.json';

const require = createRequire(import.meta.url);

function find() {
  try {
    const { arch } = process;
    const native = require(`@koromix/koffi-linux-${arch}/linux_${arch}/koffi.node`);
    if (native.version === version) return native;
  } catch {
    // what is wrong, if anything, is told by koffi
  }
  return require('koffi').default ?? require('koffi');
}

export default find();
