import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { MatchRule } from '#bridge/registry/match-rule.js';
import { MatchRuleFault, asMonitorRule, parseMatchRule } from '#bridge/registry/match-rule.js';
import { describeWith, needs } from '../support/software.js';
import { ReferenceBus } from './reference-matches.js';

const many = (count: number): string =>
  Array.from({ length: count }, (_, index) => `arg${index}='x'`).join(',');

/** What a client writes, and its canonical form. */
const VALID: [title: string, text: string, canonical: string][] = [
  ['no key', '', ''],
  ['blanks only', '    \t\r\n', ''],
  ['a signal', "type='signal'", "type='signal'"],
  ['a call', "type='method_call'", "type='method_call'"],
  ['a return', "type='method_return'", "type='method_return'"],
  ['an error', "type='error'", "type='error'"],
  ['no quotes', 'type=signal', "type='signal'"],
  ['quotes anywhere', "type=sig'nal',member='M''N'''", "type='signal',member='MN'"],
  ['blanks around keys', ' type =signal,\t member\n=M', "type='signal',member='M'"],
  ['a comma at the end', 'type=signal,', "type='signal'"],
  ['a comma and a blank at the end', 'type=signal, ', "type='signal'"],
  ['an empty key ends the rule', "type=signal,='x',member=M", "type='signal'"],
  ['nothing but an empty key', '=x', ''],
  ['a comma in quotes', "arg0='a,type=error'", "arg0='a,type=error'"],
  ['an equals sign in a value', 'arg0==x', "arg0='=x'"],
  ['an escaped apostrophe', String.raw`arg0=it\'s`, String.raw`arg0='it'\''s'`],
  ['an apostrophe as shells do it', String.raw`arg0='it'\''s'`, String.raw`arg0='it'\''s'`],
  ['a backslash in quotes', String.raw`arg0='a\b\'`, String.raw`arg0='a\b\'`],
  ['a backslash outside quotes', String.raw`arg0=a\b`, String.raw`arg0='a\b'`],
  ['a backslash before a comma', String.raw`arg0=a\,b`, String.raw`arg0='a\,b'`],
  ['a backslash at the end', 'arg0=a\\', String.raw`arg0='a\'`],
  ['a blank after a value belongs to it', "arg0='x' ,arg1=y", "arg0='x ',arg1='y'"],
  [
    'all names',
    'destination=:1.2,sender=a.b,member=M,interface=c.d,type=error,path=/',
    "type='error',interface='c.d',member='M',path='/',sender='a.b',destination=':1.2'",
  ],
  ['path_namespace', "path_namespace='/a/b'", "path_namespace='/a/b'"],
  ['path_namespace of everything', "path_namespace='/'", "path_namespace='/'"],
  ['eavesdrop', 'eavesdrop=true', "eavesdrop='true'"],
  ['eavesdrop=false is the default', 'eavesdrop=false,type=signal', "type='signal'"],
  ['the last eavesdrop counts', 'eavesdrop=true,eavesdrop=false', ''],
  ['an empty argument', "arg0=''", "arg0=''"],
  ['arguments in any order', 'arg10=k,arg2=c', "arg2='c',arg10='k'"],
  ['the last argument', 'arg63=x', "arg63='x'"],
  ['an octal argument number', 'arg010=x', "arg8='x'"],
  ['a hexadecimal argument number', 'arg0x1F=x', "arg31='x'"],
  ['a signed argument number', 'arg+1=x', "arg1='x'"],
  ['argNpath', "arg63path='/a/'", "arg63path='/a/'"],
  ['argNpath with what is no path', 'arg0path=foobar', "arg0path='foobar'"],
  ['an empty argNpath', "arg0path=''", "arg0path=''"],
  ['arg0namespace', "arg0namespace='a.b'", "arg0namespace='a.b'"],
  ['arg0namespace of one element', 'arg0namespace=a-b', "arg0namespace='a-b'"],
  ['arg0namespace of a unique name', 'arg0namespace=:1.2', "arg0namespace=':1.2'"],
  ['characters beyond ASCII', 'arg0=é', "arg0='é'"],
  ['1024 bytes', `arg0='${'é'.repeat(508)}a'`, `arg0='${'é'.repeat(508)}a'`],
];

const INVALID: [title: string, text: string, problem: string][] = [
  ['a key without value', 'type', 'not followed by "="'],
  ['a quote that is not closed', "arg0='x", 'the value of "arg0" is not closed'],
  ['two commas', 'type=signal,,member=M', 'the key ",member" is unknown'],
  ['a comma at the beginning', ',type=signal', 'the key ",type" is unknown'],
  ['an unknown key', "blah='x'", 'the key "blah" is unknown'],
  ['an unknown type', "type='chouin'", '"chouin" is not a valid type'],
  ['a type in capitals', 'type=SIGNAL', '"SIGNAL" is not a valid type'],
  ['a blank before a value', 'type= signal', '" signal" is not a valid type'],
  ['a blank after a value', "type='signal' ", '"signal " is not a valid type'],
  ['an interface that is none', "interface='abc@def++'", 'is not a valid interface'],
  ['an interface of one element', 'interface=a', '"a" is not a valid interface'],
  ['a member with a dot', 'member=a.b', '"a.b" is not a valid member'],
  ['an empty member', "member=''", '"" is not a valid member'],
  ['a sender of one element', 'sender=a', '"a" is not a valid sender'],
  ['a destination of one element', 'destination=a', '"a" is not a valid destination'],
  ['a path that ends in /', "path='/foo/'", '"/foo/" is not a valid path'],
  ['a namespace that ends in /', "path_namespace='/foo/'", 'is not a valid path_namespace'],
  ['two types', 'type=signal,type=signal', 'the key "type" occurs twice'],
  ['two senders', 'sender=a.b,sender=a.b', 'the key "sender" occurs twice'],
  ['two paths', 'path=/a,path=/b', 'may occur once'],
  ['path and path_namespace', 'path=/a,path_namespace=/a', 'not together'],
  ['eavesdrop=yes', 'eavesdrop=yes', 'it must be "true" or "false"'],
  ['arg without number', 'arg=x', 'lacks an argument number'],
  ['a word that begins with arg', 'argument=x', 'lacks an argument number'],
  ['a negative number', 'arg-1=x', 'lacks an argument number'],
  ['arg64', 'arg64=x', 'exceeds the last argument, 63'],
  ['arg64path', 'arg64path=x', 'exceeds the last argument, 63'],
  ['a huge number', `arg${'9'.repeat(40)}=x`, 'exceeds the last argument'],
  ['no octal number', 'arg08=x', 'must be arg0, arg0path or arg0namespace'],
  ['junk after the number', 'arg3junk=x', 'must be arg3'],
  ['arg1namespace', 'arg1namespace=x', 'must be arg1'],
  ['arg00namespace', 'arg00namespace=x', 'must be arg0'],
  ['arg0namespace that ends in a dot', 'arg0namespace=foo.', 'not the beginning of a bus name'],
  ['an empty arg0namespace', "arg0namespace=''", 'not the beginning of a bus name'],
  ['arg0namespace with a digit first', 'arg0namespace=1a', 'not the beginning of a bus name'],
  ['an argument twice', 'arg3=a,arg3=a', 'argument 3 is matched twice'],
  ['an argument in two ways', 'arg0path=/a,arg0=b', 'argument 0 is matched twice'],
  ['an argument and its namespace', 'arg0namespace=a,arg0=b', 'argument 0 is matched twice'],
];

function parsed(text: string): MatchRule {
  const rule = parseMatchRule(text);
  if (rule instanceof MatchRuleFault) throw new Error(rule.message);
  return rule;
}

describe('a match rule', () => {
  test.each(VALID)('may have: %s', (_, text, canonical) => {
    expect(parsed(text).text).toBe(canonical);
    expect(parsed(canonical)).toEqual(parsed(text));
  });

  test.each(INVALID)('may not have: %s', (_, text, problem) => {
    const fault = parseMatchRule(text);
    expect(fault).toBeInstanceOf(MatchRuleFault);
    expect(fault).toMatchObject({
      code: 'match-rule-invalid',
      errorName: 'org.freedesktop.DBus.Error.MatchRuleInvalid',
      message: expect.stringContaining(problem),
    });
  });

  test('is limited in bytes, not in characters', () => {
    expect(parseMatchRule(`arg0='${'é'.repeat(509)}'`)).toMatchObject({
      code: 'match-rule-too-long',
      errorName: 'org.freedesktop.DBus.Error.LimitsExceeded',
      message: 'the match rule has 1025 bytes, the limit is 1024',
    });
  });

  test('keeps every key: dbus-daemon would forget those after the sixteenth', () => {
    expect(parsed(many(40)).args).toHaveLength(40);
  });

  test('says what its keys mean', () => {
    expect(
      parsed('type=signal,sender=a.b,path_namespace=/x,arg2=c,arg1path=/,eavesdrop=true'),
    ).toEqual({
      type: 4,
      sender: 'a.b',
      interface: undefined,
      member: undefined,
      path: undefined,
      pathNamespace: '/x',
      destination: undefined,
      eavesdrop: true,
      args: [
        { index: 1, kind: 'path', value: '/' },
        { index: 2, kind: 'string', value: 'c' },
      ],
      text: "type='signal',path_namespace='/x',sender='a.b',eavesdrop='true',arg1path='/',arg2='c'",
    });
  });

  test('of a monitor sees everything that it matches', () => {
    expect(asMonitorRule(parsed('member=M')).text).toBe("member='M',eavesdrop='true'");
  });
});

const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

/** Pieces of rules, right and wrong ones, joined at random. */
const fragments = fc.oneof(
  fc.constantFrom('type=signal', "interface='a.b'", "member='M'", "path='/a'", 'sender=:1.1'),
  fc.constantFrom("path_namespace='/a'", 'destination=a.b', 'eavesdrop=true', 'eavesdrop=false'),
  fc.constantFrom(
    "arg0='x'",
    'arg1path=/a/',
    'arg0namespace=com',
    'arg07=x',
    'arg0x2=y',
    'arg64=a',
  ),
  fc.constantFrom(' ', ',', '=', "'", '\\', "\\'", '\t', 'arg', 'type', 'x', '/', '.', ':', '0'),
);
const texts = fc.array(fc.tuple(fragments, fc.constantFrom(',', ',', '')), { maxLength: 7 });

describeWith([needs('dbus-daemon', 'dbus-daemon')], `dbus-daemon (SEED=${seed})`, () => {
  test('takes and prints the same rules', async () => {
    const random = fc.sample(texts, { seed, numRuns: 1500 }).map((parts) => parts.flat().join(''));
    const tables = [...VALID, ...INVALID].map(([, text]) => text);
    const bus = await ReferenceBus.start();
    try {
      for (const text of [...tables, ...random]) {
        const rule = parseMatchRule(text);
        const ours = rule instanceof MatchRuleFault ? rule.errorName : rule.text;
        expect({ text, outcome: ours }).toEqual({ text, outcome: await bus.outcomeOf(text) });
      }
    } finally {
      await bus.stop();
    }
  });
});
