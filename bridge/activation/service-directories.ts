import { join, resolve } from 'node:path';

/** A directory with .service files. */
export interface ServiceDirectory {
  readonly path: string;
  /** Whether a file must be called after the name it provides to count at all. */
  readonly strictNaming: boolean;
  /**
   * Whether changes are noticed at once; otherwise on reload and when an unknown name is
   * requested.
   */
  readonly watched: boolean;
  /** Whether the bus makes this directory itself, in the user's runtime directory. */
  readonly transient: boolean;
}

/** One element of a bus configuration that names service directories, in document order. */
export type ServiceDirectorySource =
  | { readonly kind: 'standard-session' }
  | { readonly kind: 'standard-system' }
  | { readonly kind: 'directory'; readonly path: string };

/** The environment variables that are used; HOME must be the home directory of the bus's user. */
export type DirectoryEnvironment = Readonly<
  Partial<Record<'HOME' | 'XDG_RUNTIME_DIR' | 'XDG_DATA_HOME' | 'XDG_DATA_DIRS', string>>
>;

const SESSION_SUFFIX = 'dbus-1/services';
const SYSTEM_SUFFIX = 'dbus-1/system-services';
/** Where distributions install; it counts even when XDG_DATA_DIRS leaves it out. */
const DATA_DIRECTORY = '/usr/share';
const DEFAULT_DATA_DIRECTORIES = '/usr/local/share:/usr/share';

/** The directories for these configuration elements, most important first, each once. */
export function resolveServiceDirectories(
  sources: readonly ServiceDirectorySource[],
  environment: DirectoryEnvironment,
): ServiceDirectory[] {
  const unique = new Map<string, ServiceDirectory>();
  for (const directory of sources.flatMap((source) => directoriesOf(source, environment))) {
    const known = unique.get(directory.path);
    unique.set(directory.path, known === undefined ? directory : mostPermissive(known, directory));
  }
  return [...unique.values()];
}

function directoriesOf(
  source: ServiceDirectorySource,
  environment: DirectoryEnvironment,
): ServiceDirectory[] {
  if (source.kind === 'directory') return [ordinary(source.path)];
  if (source.kind === 'standard-system') return standardSystemDirectories();
  return standardSessionDirectories(environment);
}

/** D-Bus specification, "Standard Session Services". */
function standardSessionDirectories(environment: DirectoryEnvironment): ServiceDirectory[] {
  const runtime = environment.XDG_RUNTIME_DIR || undefined;
  const dataHome =
    environment.XDG_DATA_HOME || (environment.HOME && join(environment.HOME, '.local/share'));
  const dataDirectories = (environment.XDG_DATA_DIRS || DEFAULT_DATA_DIRECTORIES).split(':');
  const bases = [dataHome ?? '', ...dataDirectories, DATA_DIRECTORY]
    .map((path) => path.trim())
    .filter((path) => path !== '')
    // The XDG Base Directory Specification says to ignore relative paths, but the reference daemon uses them.
    .map((path) => resolve(path));
  const transient = { strictNaming: true, watched: false, transient: true };
  return [
    ...(runtime === undefined ? [] : [{ path: join(runtime, SESSION_SUFFIX), ...transient }]),
    ...bases.map((base) => ordinary(join(base, SESSION_SUFFIX))),
  ];
}

/**
 * D-Bus specification, "Standard System Services"; files of the administrator must be named
 * correctly.
 */
function standardSystemDirectories(): ServiceDirectory[] {
  const local = ['/etc', '/run'].map((base) => ({
    ...ordinary(join(base, SYSTEM_SUFFIX)),
    strictNaming: true,
  }));
  // /lib stands in for /usr/share on systems where /usr is mounted late.
  const vendor = ['/usr/local/share', DATA_DIRECTORY, '/lib'];
  return [...local, ...vendor.map((base) => ordinary(join(base, SYSTEM_SUFFIX)))];
}

function ordinary(path: string): ServiceDirectory {
  return { path, strictNaming: false, watched: true, transient: false };
}

/** A directory that is named twice keeps only the restrictions that both mentions have. */
function mostPermissive(first: ServiceDirectory, second: ServiceDirectory): ServiceDirectory {
  return {
    path: first.path,
    strictNaming: first.strictNaming && second.strictNaming,
    watched: first.watched || second.watched,
    transient: first.transient && second.transient,
  };
}
