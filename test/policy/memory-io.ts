import { formatDiagnostic, readConfig } from '#policy/index.js';
import type { BusConfig, ConfigResult, PolicyIo } from '#policy/index.js';

const USERS: Readonly<Record<string, number>> = { root: 0, alice: 1000, bob: 1001 };
const GROUPS: Readonly<Record<string, number>> = { root: 0, staff: 50, audio: 29 };

/** Files by path; an errno name in angle brackets ("<EACCES>") is a file that cannot be read. */
export type MemoryFiles = Readonly<Record<string, string>>;

/** A world of a few files, users and groups. */
export function memoryIo(files: MemoryFiles, more: Partial<PolicyIo> = {}): PolicyIo {
  return {
    readFile: (path) => {
      const text = files[path] ?? '<ENOENT>';
      const code = /^<(E[A-Z]+)>$/.exec(text)?.[1];
      return code === undefined ? text : { code, message: 'as the test says' };
    },
    readDirectory: (path) => {
      const below = Object.keys(files).filter((file) => file.startsWith(`${path}/`));
      const names = below
        .map((file) => file.slice(path.length + 1))
        .filter((name) => !name.includes('/'));
      return names.length > 0 ? names : { code: 'ENOENT', message: 'no such directory' };
    },
    lookupUser: (name) => USERS[name],
    lookupGroup: (name) => GROUPS[name],
    ...more,
  };
}

export const MAIN = '/etc/bus.conf';

/** Reads `files['/etc/bus.conf']`. */
export function readMemoryFiles(files: MemoryFiles, more?: Partial<PolicyIo>): ConfigResult {
  return readConfig(MAIN, memoryIo(files, more));
}

/** Reads one XML document that must be good, and gives its diagnostics as lines. */
export function readMemoryConfig(xml: string): { config: BusConfig; diagnostics: string[] } {
  const result = readMemoryFiles({ [MAIN]: xml });
  if (!result.ok) throw new Error(formatDiagnostic(result.error));
  return { config: result.config, diagnostics: result.diagnostics.map(formatDiagnostic) };
}

/** The rules of one <policy context="default">. */
export function readDefaultRules(rules: string): BusConfig['policy'] {
  return readMemoryConfig(`<busconfig><policy context="default">${rules}</policy></busconfig>`)
    .config.policy;
}
