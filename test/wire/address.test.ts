import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AddressError, formatAddress, parseAddresses } from '#bridge/wire/address.js';
import { Oracle } from './oracle.js';

const unix = (path: string): object => ({ transport: 'unix', options: new Map([['path', path]]) });

const VALID: readonly [string, object[]][] = [
  ['unix:path=/a', [unix('/a')]],
  ['unix:path=/a;', [unix('/a')]],
  ['unix:path=/a,', [unix('/a')]],
  ['unix:path=/a;unix:path=/b', [unix('/a'), unix('/b')]],
  ['unix:path=/a%20b%2f%C3%a9', [unix('/a b/\u00e9')]],
  ['unix:path=\\*.-_', [unix('\\*.-_')]],
  ['unix:path=/a,path=/b', [unix('/a')]],
  ['systemd:', [{ transport: 'systemd', options: new Map() }]],
  [
    'tcp:host=localhost,port=1234,family=ipv4',
    [
      {
        transport: 'tcp',
        options: new Map([
          ['host', 'localhost'],
          ['port', '1234'],
          ['family', 'ipv4'],
        ]),
      },
    ],
  ],
];

/* What the reference implementation refuses, too. */
const INVALID: readonly [string, string][] = [
  ['', 'no colon'],
  [';', 'no colon'],
  ['unix', 'no colon'],
  [';unix:path=/a', 'no colon'],
  ['unix:path=/a;;unix:path=/b', 'no colon'],
  ['unix:path', "'path' is not a key"],
  ['unix:path=', 'is not a key'],
  ['unix:=a', 'is not a key'],
  ['unix:,path=/a', 'is not a key'],
  ['unix:path=/a%2', "value of 'path' is not escaped"],
  ['unix:path=/a%2g', 'not escaped'],
  ['unix:path=/a b', 'not escaped'],
  ['unix:path=a=b', 'not escaped'],
  ['unix:path=@a', 'not escaped'],
  ['unix:path=\u00e9', 'not escaped'],
];

/* What it takes, and nobody could use. */
const STRICTER: readonly [string, string][] = [
  [':path=/a', 'no transport'],
  ['unix:path=a%00b', 'not escaped'],
  ['unix:path=%ff', 'not escaped'],
];

let oracle: Oracle;
beforeAll(() => void (oracle = new Oracle()));
afterAll(() => oracle.close());

describe('addresses', () => {
  test.each(VALID)('%s', async (text, addresses) => {
    expect(parseAddresses(text)).toEqual(addresses);
    expect(await oracle.ask('address', Buffer.from(text))).not.toBe('no');
  });

  test.each(INVALID)('not %j', async (text, why) => {
    const error = parseAddresses(text);
    expect(error).toBeInstanceOf(AddressError);
    expect(error).toHaveProperty('message', expect.stringContaining(why));
    expect(await oracle.ask('address', Buffer.from(text))).toBe('no');
  });

  test.each(STRICTER)('not %j, though libdbus takes it', async (text, why) => {
    const error = parseAddresses(text);
    expect(error).toHaveProperty('message', expect.stringContaining(why));
    expect(await oracle.ask('address', Buffer.from(text))).not.toBe('no');
  });

  test('are escaped so that libdbus reads the same', async () => {
    for (const path of ['/run/bus', '/tmp/a b;c,d=e:%\u00e9\u{1f600}', '\\*.-_']) {
      const text = formatAddress({ transport: 'unix', options: new Map([['path', path]]) });
      expect(parseAddresses(text)).toEqual([unix(path)]);
      const answer = await oracle.ask('address', Buffer.from(text));
      expect(JSON.parse(answer)).toEqual([['unix', path]]);
    }
  });
});
