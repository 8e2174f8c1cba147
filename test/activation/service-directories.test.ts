import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { resolveServiceDirectories } from '#bridge/activation/service-directories.js';
import type {
  DirectoryEnvironment,
  ServiceDirectorySource,
} from '#bridge/activation/service-directories.js';

const SESSION: ServiceDirectorySource = { kind: 'standard-session' };
const SYSTEM: ServiceDirectorySource = { kind: 'standard-system' };
const directory = (path: string): ServiceDirectorySource => ({ kind: 'directory', path });
const paths = (sources: ServiceDirectorySource[], environment: DirectoryEnvironment = {}) =>
  resolveServiceDirectories(sources, environment).map(({ path }) => path);

describe('the standard directories of a session bus', () => {
  test.each<[string, DirectoryEnvironment, string[]]>([
    [
      'with everything set',
      { HOME: '/h', XDG_RUNTIME_DIR: '/run/1', XDG_DATA_HOME: '/data', XDG_DATA_DIRS: '/a:/b' },
      ['/run/1', '/data', '/a', '/b', '/usr/share'],
    ],
    ['by default', { HOME: '/h' }, ['/h/.local/share', '/usr/local/share', '/usr/share']],
    ['without a home', {}, ['/usr/local/share', '/usr/share']],
    [
      'with empty variables',
      { HOME: '/h', XDG_RUNTIME_DIR: '', XDG_DATA_HOME: '', XDG_DATA_DIRS: '' },
      ['/h/.local/share', '/usr/local/share', '/usr/share'],
    ],
    [
      'with doubtful entries',
      { XDG_DATA_HOME: 'relative', XDG_DATA_DIRS: ': /a :b:/usr/share:/a' },
      [resolve('relative'), '/a', resolve('b'), '/usr/share'],
    ],
  ])('%s', (_title, environment, bases) => {
    expect(paths([SESSION], environment)).toEqual(bases.map((base) => `${base}/dbus-1/services`));
  });

  test('the one in the runtime directory is the bus’s own and wants exact file names', () => {
    const [transient, home] = resolveServiceDirectories([SESSION], {
      HOME: '/h',
      XDG_RUNTIME_DIR: '/run/1',
    });
    expect(transient).toMatchObject({ strictNaming: true, watched: false, transient: true });
    expect(home).toMatchObject({ strictNaming: false, watched: true, transient: false });
  });
});

describe('the standard directories of a system bus', () => {
  test('do not depend on the environment', () => {
    const environment = { HOME: '/h', XDG_DATA_DIRS: '/a', XDG_RUNTIME_DIR: '/run/1' };
    expect(paths([SYSTEM], environment)).toEqual([
      '/etc/dbus-1/system-services',
      '/run/dbus-1/system-services',
      '/usr/local/share/dbus-1/system-services',
      '/usr/share/dbus-1/system-services',
      '/lib/dbus-1/system-services',
    ]);
  });
});

describe('several elements', () => {
  test('count in their order, each directory once, where it is named first', () => {
    const sources = [directory('/mine'), SESSION, directory('/mine'), directory('/last')];
    expect(paths(sources)).toEqual([
      '/mine',
      '/usr/local/share/dbus-1/services',
      '/usr/share/dbus-1/services',
      '/last',
    ]);
  });

  test('that name one directory restrict it only where both do', () => {
    const transient = '/run/1/dbus-1/services';
    const environment = { XDG_RUNTIME_DIR: '/run/1' };
    expect(resolveServiceDirectories([SESSION, directory(transient)], environment)[0]).toEqual({
      path: transient,
      strictNaming: false,
      watched: true,
      transient: false,
    });
  });
});
