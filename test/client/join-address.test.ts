// Where `join` looks for the authority of a domain.
import { describe, expect, test } from 'vitest';
import { authorityPaths } from '#bridge/client/authority-address.js';

const environment = { XDG_RUNTIME_DIR: '/run/user/1' };

describe('the authority of a bus listens beside it', () => {
  test.each([
    ['unix:path=/run/bus', ['/run/bus.bus1']],
    ['unix:path=/a%20b', ['/a b.bus1']],
    ['unix:abstract=name,guid=00', ['\0name.bus1']],
    ['unix:runtime=yes', ['/run/user/1/bus.bus1']],
    ['bus1:path=/run/authority', ['/run/authority']],
    ['tcp:host=a,port=1;unix:path=/b;unix:abstract=c', ['/b.bus1', '\0c.bus1']],
  ])('%s', (address, paths) => {
    expect(authorityPaths(address, environment)).toEqual(paths);
  });

  test.each([
    [{ DBUS_SESSION_BUS_ADDRESS: 'unix:path=/s' }, ['/s.bus1']],
    [environment, ['/run/user/1/bus.bus1']],
  ])('by default: %j', (given, paths) => {
    expect(authorityPaths(undefined, given)).toEqual(paths);
  });

  test.each([
    ['tcp:host=a', {}, /leads to no domain/],
    ['unix:runtime=yes', {}, /leads to no domain/],
    ['unix', {}, /no colon/],
  ])('%s with %j: no way', (address, given, message) => {
    expect(() => authorityPaths(address, given)).toThrow(message);
  });
});
