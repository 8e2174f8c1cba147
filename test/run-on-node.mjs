// usage: node test/run-on-node.mjs VERSION [vitest arguments]
//
// Runs the tests on another version of Node: the npm package node-linux-ARCH carries it as a plain
// binary. It comes first on PATH, so child processes run on it as well.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

const root = dirname(import.meta.dirname);

function run(command, args, env = process.env) {
  const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: 'inherit' });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

/** Installs the binary once; returns the folder that it is in. */
function install(version) {
  const name = `node-linux-${process.arch}`;
  const folder = join(root, 'node_modules/.cache', `node-${version}`);
  const bin = join(folder, 'node_modules', name, 'bin');
  if (!existsSync(join(bin, 'node'))) {
    const options = ['--no-audit', '--no-fund', '--no-save', '--no-package-lock'];
    run('npm', ['install', '--prefix', folder, ...options, `${name}@${version}`]);
  }
  return bin;
}

const [version, ...vitestArguments] = process.argv.slice(2);
if (version === undefined || !/^\d+(\.\d+)*$/.test(version)) {
  process.stderr.write('usage: node test/run-on-node.mjs VERSION [vitest arguments]\n');
  process.exit(2);
}
const bin = install(version);
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
const node = join(bin, 'node');
run('npm', ['run', '--silent', 'build'], env);
run(node, ['--version'], env);
run(node, [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...vitestArguments], env);
