// One class takes what arrives for the bus, and one place checks it: docs/decisions/0019.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { allFiles } from '../taste/source-files.js';

const DECISION = 'docs/decisions/0019-participants.md';
const page = readFileSync(join(import.meta.dirname, '../..', DECISION), 'utf8');

const bridge = allFiles().filter(({ path }) => /^bridge\/.*\.ts$/.test(path));

/** What the rows of one of the decision's tables name: a class, and its file. */
function namedBelow(heading: string): string[] {
  const table = page.split('\n\n').find((part) => part.startsWith(`| ${heading} |`)) ?? '';
  const rows = table.trim().split('\n').slice(2);
  return rows.map((row) => {
    const [, name = '', file = ''] = /^\| `(\w+)`[^|]*\| `([^`]+)`/.exec(row) ?? [];
    return `${name} in ${file}`;
  });
}

/** Classes of the bridge whose heading matches, each as `NAME in FILE`. */
function classes(heading: RegExp): string[] {
  return bridge.flatMap(({ path, text }) =>
    [...text.matchAll(/^(?:export )?(?:abstract )?class (\w+)([^{]*)/gm)]
      .filter(([, , rest]) => heading.test(rest))
      .map(([, name]) => `${name} in ${path}`),
  );
}

/** Files of the bridge that contain this, outside of comments. */
function filesWith(text: RegExp): string[] {
  return bridge
    .filter(({ lines }) =>
      lines.some((line) => !/^\s*(?:\/?\*|\/\/)/.test(line) && text.test(line)),
    )
    .map(({ path }) => path);
}

test('the sinks of the bridge are those of the decision', () => {
  const sinks = classes(/\bimplements\b[^]*\bSink\b/);
  expect(sinks).toHaveLength(3);
  expect(sinks.toSorted()).toEqual(namedBelow('sink').toSorted());
});

test('the roles of a participant are those of the decision', () => {
  const roles = classes(/\bextends Participant\b/);
  expect(roles.length).toBeGreaterThan(3);
  expect(roles.toSorted()).toEqual(namedBelow('role').toSorted());
});

test('no peer of the bridge has another sink', () => {
  const opening = bridge.filter(({ text }) =>
    /\bopenPeer\([^;]*\bsink: (?!CLOSED_SINK)/.test(text),
  );
  expect(opening.map(({ path }) => path)).toEqual([
    'bridge/client/member.ts',
    'bridge/client/socket-domain.ts',
    'bridge/peer/participant.ts',
  ]);
});

test('messages of native peers are checked for all roles in one place, and for the queue of the driver', () => {
  expect(filesWith(/\bcheckIncoming\(/)).toEqual([
    'bridge/driver/driver.ts',
    'bridge/peer/incoming-check.ts',
    'bridge/peer/participant.ts',
  ]);
});

test('no role takes what has not been checked', () => {
  const roles = classes(/\bextends (?:Participant|StandIn)\b/).map((role) => role.split(' in ')[1]);
  const own = bridge.filter(
    ({ path, text }) => roles.includes(path) && /^ {2}[a-z ]*\baccept\(/m.test(text),
  );
  expect(own.map(({ path }) => path)).toEqual([]);
});
