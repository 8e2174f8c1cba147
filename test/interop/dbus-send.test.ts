// dbus-send(1): libdbus, used by hand and by scripts.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningBus, describeWith, needs, run, startBus } from '../support/bus.js';
import { type DbusNextService, startDbusNextService } from './dbus-next-service.js';

const NAME = 'org.example.Interop';
const TO_SERVICE = ['--session', `--dest=${NAME}`, '/org/example/Interop'];
const TO_BUS = ['--session', '--dest=org.freedesktop.DBus', '/org/freedesktop/DBus'];

describeWith([needs('dbus-send', 'dbus-bin')], 'dbus-send', () => {
  let bus: RunningBus;
  let service: DbusNextService;
  beforeAll(async () => {
    bus = await startBus();
    service = await startDbusNextService(bus.address, NAME);
  });
  afterAll(async () => {
    service.stop();
    await bus.stop();
  });
  const send = (...args: string[]) => run('dbus-send', args, { env: bus.env });

  test('lists the names on the bus', async () => {
    const { code, stdout } = await send(
      '--print-reply=literal',
      ...TO_BUS,
      'org.freedesktop.DBus.ListNames',
    );
    expect(code).toBe(0);
    expect(stdout.match(/[\w.:]+\.[\w.]+/g)).toEqual(
      expect.arrayContaining(['org.freedesktop.DBus', NAME, expect.stringMatching(/^:1\.\d+$/)]),
    );
  });

  test('prints who answered whom, and to which call', async () => {
    const { stdout } = await send('--print-reply', ...TO_BUS, 'org.freedesktop.DBus.GetId');
    const [head, body] = stdout.split('\n');
    expect(head).toMatch(/^method return time=\S+ sender=org\.freedesktop\.DBus /);
    expect(head).toMatch(/ -> destination=:1\.\d+ serial=\d+ reply_serial=2$/);
    expect(body).toMatch(/^ {3}string "[0-9a-f]{32}"$/);
  });

  test('sends and prints every type that it knows', async () => {
    const args = [
      'byte:255',
      'boolean:true',
      'int16:-32768',
      'uint16:65535',
      'int32:-2147483648',
      'uint32:4294967295',
      'int64:-9007199254740993',
      'uint64:18446744073709551615',
      'double:-0.5',
      'string:snö ☃',
      'objpath:/a/b_1',
      'variant:int32:-8',
      'array:string:one,two',
      'dict:string:int32:a,1,b,2',
    ];
    const { stderr, stdout } = await send(
      '--print-reply',
      ...TO_SERVICE,
      `${NAME}.Raw.Mirror`,
      ...args,
    );
    expect(stderr).toBe('');
    expect(stdout.split('\n').slice(1).join('\n')).toBe(`\
   byte 255
   boolean true
   int16 -32768
   uint16 65535
   int32 -2147483648
   uint32 4294967295
   int64 -9007199254740993
   uint64 18446744073709551615
   double -0.5
   string "snö ☃"
   object path "/a/b_1"
   variant       int32 -8
   array [
      string "one"
      string "two"
   ]
   array [
      dict entry(
         string "a"
         int32 1
      )
      dict entry(
         string "b"
         int32 2
      )
   ]
`);
  });

  const ERRORS = [
    {
      what: 'an error of a service',
      args: [...TO_SERVICE, `${NAME}.Refuse`],
      stderr: 'Error org.example.Interop.Error.Refused: on purpose\n',
    },
    {
      what: 'a name that nobody owns',
      args: ['--session', '--dest=no.such.Name', '/', 'a.b.C'],
      stderr:
        'Error org.freedesktop.DBus.Error.ServiceUnknown: ' +
        'The name no.such.Name was not provided by any .service files\n',
    },
    {
      what: 'a unique name that nobody has',
      args: ['--session', '--dest=:1.4294967', '/', 'a.b.C'],
      stderr:
        'Error org.freedesktop.DBus.Error.ServiceUnknown: ' +
        'The name :1.4294967 was not provided by any .service files\n',
    },
    {
      what: 'the owner of a name that nobody owns',
      args: [...TO_BUS, 'org.freedesktop.DBus.GetNameOwner', 'string:no.such.Name'],
      stderr:
        'Error org.freedesktop.DBus.Error.NameHasNoOwner: ' +
        "Could not get owner of name 'no.such.Name': no such name\n",
    },
    {
      what: 'a method that the bus does not have',
      args: [...TO_BUS, 'org.freedesktop.DBus.NoSuchMethod'],
      stderr: expect.stringMatching(
        /^Error org\.freedesktop\.DBus\.Error\.UnknownMethod: .*NoSuchMethod/,
      ),
    },
    {
      what: 'arguments that a method of the bus does not take',
      args: [...TO_BUS, 'org.freedesktop.DBus.NameHasOwner', 'int32:1'],
      stderr: expect.stringMatching(/^Error org\.freedesktop\.DBus\.Error\.InvalidArgs: /),
    },
    {
      what: 'a match rule that is none',
      args: [...TO_BUS, 'org.freedesktop.DBus.AddMatch', 'string:nonsense'],
      stderr: expect.stringMatching(/^Error org\.freedesktop\.DBus\.Error\.MatchRuleInvalid: /),
    },
  ];
  test.each(ERRORS)('exits with 1 and says why: $what', async ({ args, stderr }) => {
    const result = await send('--print-reply', ...args);
    expect(result).toMatchObject({ code: 1, stdout: '', stderr });
  });

  test('succeeds when nobody wants the signal, or the reply', async () => {
    const nothing = { code: 0, stdout: '', stderr: '' };
    expect(await send('--session', '--type=signal', '/', 'a.b.C')).toMatchObject(nothing);
    expect(await send(...TO_SERVICE, `${NAME}.Refuse`)).toMatchObject(nothing);
  });

  test('does not connect where no bus listens', async () => {
    const { code, stderr } = await send('--bus=unix:path=/nowhere/bus', '/', 'a.b.C');
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('Failed to connect to socket /nowhere/bus'),
    });
  });
});
