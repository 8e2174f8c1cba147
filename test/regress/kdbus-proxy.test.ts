// The compatibility proxy of the kdbus years (systemd-bus-proxyd, 2014-2016) broke real programs in
// twenty ways. Each is a test here: what happened then must not happen to this bus.
import { closeSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageFlag, MessageType, type Variant } from '#bridge/wire/types.js';
import { ROOT, openFolder } from '../support/bus-command.js';
import { sessionConfig, start, startBus } from '../support/bus.js';
import { RawClient } from '../support/raw-client.js';
import { describeWith, needs, PYTHON } from '../support/software.js';
import { WatchedBus } from '../host/watched-bus.js';

const BUS = 'org.freedesktop.DBus';
const ERROR = 'org.freedesktop.DBus.Error';
const IS_ROOT = process.getuid!() === 0;
const NOBODY = 65534;

let bus: WatchedBus;

async function startWith(more = ''): Promise<void> {
  bus = await WatchedBus.start({}, more);
}

const open = (): RawClient => bus.open();

afterEach(() => bus.stop());

const signal = (member: string, destination?: string) =>
  ({ path: '/a', interface: 'org.example.Regress', member, destination }) as const;

/** What has arrived at a client when everything that was sent before is through. */
function membersAt(client: RawClient): (string | undefined)[] {
  client.callBus('GetId');
  return client.receiveWaiting().map(({ member }) => member);
}

function ask(caller: RawClient, service: RawClient): unknown {
  const serial = caller.startCall({ destination: service.uniqueName, member: 'Ask' });
  service.reply(
    service.receive(({ member }) => member === 'Ask'),
    's',
    ['answer'],
  );
  return caller.replyTo(serial).body[0];
}

describe('signals', () => {
  test('#1 nobody gets a broadcast that he did not subscribe to', async () => {
    await startWith();
    const [sender, subscriber, bystander] = [open(), open(), open()];
    const rule = "type='signal',path='/a',interface='org.example.Regress',member='M7',arg0='x7'";
    subscriber.callBus('AddMatch', 's', [rule]);
    for (let i = 0; i < 2000; i++) {
      const fields = { ...signal(`M${i % 50}`), signature: 's' };
      sender.post(MessageType.Signal, fields, [`x${(i * 31) % 40}`]);
    }
    sender.callBus('RequestName', 'su', ['org.example.Noise', 0]);
    const hits = Array.from({ length: 2000 }, (_, i) => i % 50 === 7 && (i * 31) % 40 === 7);
    const expected = hits.filter(Boolean).map(() => 'M7');
    expect(expected.length).toBeGreaterThan(0);
    expect(membersAt(subscriber)).toEqual(['NameAcquired', ...expected]);
    expect(membersAt(bystander)).toEqual(['NameAcquired']);
  });

  test('#2 a signal with a destination needs no match rule', async () => {
    await startWith();
    const [sender, receiver] = [open(), open()];
    sender.post(MessageType.Signal, signal('Plain', receiver.uniqueName));
    receiver.callBus('AddMatch', 's', ["type='signal',member='SomethingElse'"]);
    sender.post(MessageType.Signal, signal('Again', receiver.uniqueName));
    expect(membersAt(receiver)).toEqual(['NameAcquired', 'Plain', 'Again']);
  });

  test('#3 NameAcquired and NameLost are addressed to the one whom they concern', async () => {
    await startWith();
    const [client, other] = [open(), open()];
    other.callBus('AddMatch', 's', [`sender='${BUS}'`]);
    client.callBus('RequestName', 'su', ['org.example.Mine', 0]);
    client.callBus('ReleaseName', 's', ['org.example.Mine']);
    for (const member of ['NameAcquired', 'NameAcquired', 'NameLost']) {
      expect(client.receiveSignal(member).destination).toBe(client.uniqueName);
    }
    expect(membersAt(other)).toEqual(['NameAcquired', 'NameOwnerChanged', 'NameOwnerChanged']);
  });

  test('#7 rules with a destination hold for those who subscribed to a signal, too', async () => {
    await startWith(`<policy context="mandatory">
      <deny send_interface="org.example.Regress"/>
      <allow send_destination="org.example.Trusted" send_interface="org.example.Regress"/>
    </policy>`);
    const [sender, trusted, other] = [open(), open(), open()];
    trusted.callBus('RequestName', 'su', ['org.example.Trusted', 0]);
    for (const each of [trusted, other]) {
      each.callBus('AddMatch', 's', ["interface='org.example.Regress'"]);
      each.receiveWaiting();
    }
    sender.post(MessageType.Signal, signal('Broadcast'));
    sender.post(MessageType.Signal, signal('ToName', 'org.example.Trusted'));
    sender.post(MessageType.Signal, signal('ToOther', other.uniqueName));
    sender.callBus('GetId');
    expect(membersAt(trusted)).toEqual(['Broadcast', 'ToName']);
    expect(membersAt(other)).toEqual([]);
  });

  test('#11 who never reads costs one line of the log, not a storm', async () => {
    bus = await WatchedBus.start({ max_outgoing_bytes: 50_000 });
    const [sender, sleeper] = [open(), open()];
    sleeper.callBus('AddMatch', 's', ["interface='org.example.Regress'"]);
    for (let i = 0; i < 500; i++) {
      sender.post(MessageType.Signal, { ...signal('Noise'), signature: 'ay' }, [
        new Uint8Array(2000),
      ]);
    }
    sender.callBus('GetId');
    await bus.complaint(({ name }) => name === sleeper.uniqueName);
    await bus.stop();
    expect(bus.complaints()).toHaveLength(1);
  });

  test('#17 a broadcast that the policy keeps from somebody is not logged', async () => {
    await startWith(`<policy context="mandatory">
      <deny receive_interface="org.example.Regress"/>
    </policy>`);
    const [sender, receiver] = [open(), open()];
    receiver.callBus('AddMatch', 's', ["interface='org.example.Regress'"]);
    for (let i = 0; i < 50; i++) sender.post(MessageType.Signal, signal('Denied'));
    sender.callBus('GetId');
    expect(membersAt(receiver)).toEqual(['NameAcquired']);
    const serial = sender.post(MessageType.Signal, signal('Addressed', receiver.uniqueName));
    expect(sender.replyTo(serial).errorName).toBe(`${ERROR}.AccessDenied`);
    await bus.stop();
    expect(bus.complaints().map(({ msg, name }) => [msg, name])).toEqual([
      ['message denied by policy', sender.uniqueName],
    ]);
  });
});

describe('calls', () => {
  test('#4 serials are the client’s own: the bus uses none of them, and takes any', async () => {
    await startWith();
    const [caller, service] = [open(), open()];
    const serials = [7, 8, 0x7fff_ffff, 0xffff_0000, 0xffff_ffff, 100];
    for (const serial of serials) {
      const fields = { type: MessageType.MethodCall, serial, path: '/', member: 'Ask' };
      caller.send(encodeMessage({ ...fields, destination: service.uniqueName }));
      const call = service.receive(({ member }) => member === 'Ask');
      expect(call.serial).toBe(serial);
      service.reply(call);
      expect(caller.replyTo(serial).type).toBe(MessageType.MethodReturn);
    }
    expect(membersAt(caller)).toEqual(['NameAcquired']);
  });

  test('#6 a message that is refused never ends the connection', async () => {
    await startWith();
    const [caller, service] = [open(), open()];
    const call = { path: '/', member: 'Ask', destination: service.uniqueName };
    caller.post(MessageType.MethodCall, { ...call, flags: MessageFlag.NoReplyExpected });
    const replied = service.receive(({ member }) => member === 'Ask');
    const refused = [
      service.post(MessageType.MethodReturn, {
        replySerial: replied.serial,
        destination: caller.uniqueName,
      }),
      service.post(MessageType.MethodReturn, { replySerial: 1, destination: ':1.999' }),
      service.startCall({ destination: 'org.example.Nobody', member: 'Ask' }),
      service.post(MessageType.Signal, signal('Lost', 'org.example.Nobody')),
    ];
    expect(refused.map((serial) => service.replyTo(serial).errorName)).toEqual([
      `${ERROR}.AccessDenied`,
      `${ERROR}.ServiceUnknown`,
      `${ERROR}.ServiceUnknown`,
      `${ERROR}.ServiceUnknown`,
    ]);
    expect(ask(caller, service)).toBe('answer');
    expect(bus.complaints()).toEqual([]);
  });

  test('#12 a descriptor belongs to one message, and is closed once', async () => {
    await startWith();
    const [sender, receiver] = [open(), open()];
    const before = bus.openDescriptors();
    const file = openSync('/dev/null', 'r');
    receiver.callBus('AddMatch', 's', ["interface='org.example.Regress'"]);
    const fields = { member: 'Take', destination: receiver.uniqueName };
    for (let i = 0; i < 100; i++) {
      sender.startCall(fields, [], [file, file]);
      sender.startCall({ ...fields, destination: 'org.example.Nobody' }, [], [file]);
      sender.startCall({ ...fields, destination: BUS }, [], [file]);
      sender.post(MessageType.Signal, signal('Shared'), [], [file]);
    }
    sender.callBus('GetId');
    expect(membersAt(receiver)).toHaveLength(1 + 200);
    expect(receiver.descriptors).toHaveLength(300);
    for (let i = 0; i < 50; i++) {
      const visitor = RawClient.open(bus.address);
      visitor.startCall(fields, [], [file]);
      visitor.close();
    }
    closeSync(file);
    while (bus.openDescriptors() > before);
    expect(bus.openDescriptors()).toBe(before);
    expect(ask(sender, receiver)).toBe('answer');
  });

  test.each([true, false])(
    '#16 bodies go through as they are (little-endian: %s)',
    async (isLittle) => {
      await startWith();
      const [sender, receiver] = [open(), open()];
      const body = ['ab', new Uint8Array(40_000).fill(9), 7n];
      const message = encodeMessage(
        {
          type: MessageType.MethodCall,
          serial: 50,
          path: '/',
          member: 'Raw',
          destination: receiver.uniqueName,
          signature: 'sayt',
        },
        body,
        isLittle,
      );
      sender.send(message);
      const got = receiver.receive(({ member }) => member === 'Raw');
      expect(got).toMatchObject({ littleEndian: isLittle, body });
      expect(receiver.lastBytes(39_000)).toEqual(message.slice(-39_000));
    },
  );
});

describe('credentials and policy', () => {
  async function visit(uid: number): Promise<{ name: string; leave: () => Promise<unknown> }> {
    const path = /^unix:path=([^,]*)/.exec(bus.address)![1];
    const script = join(ROOT, 'test/regress/visitor.py');
    const program = start(PYTHON, [script, path, String(uid)], { env: bus.bus.env });
    const name = await program.waitForLine(/./);
    return {
      name,
      leave: () => {
        program.end();
        return program.ended;
      },
    };
  }

  test('#8 old programs can ask for the credentials of old programs', async () => {
    await startWith();
    const [asker, subject] = [open(), open()];
    const credentials = (name: string): Map<string, Variant> =>
      asker.callBus('GetConnectionCredentials', 's', [name])[0] as Map<string, Variant>;
    expect(asker.callBus('GetConnectionUnixUser', 's', [subject.uniqueName])).toEqual([
      process.getuid!(),
    ]);
    expect(asker.callBus('GetConnectionUnixProcessID', 's', [subject.uniqueName])).toEqual([
      process.pid,
    ]);
    expect(credentials(subject.uniqueName).get('ProcessID')?.value).toBe(process.pid);
  });

  const ASSISTANTS = [needs(PYTHON, 'python3')];
  describeWith(ASSISTANTS, 'another user', () => {
    test.runIf(IS_ROOT)('#9 is not taken for root', async () => {
      await startWith('<policy context="default"><allow user="*"/></policy>');
      const asker = open();
      const visitor = await visit(NOBODY);
      expect(asker.callBus('GetConnectionUnixUser', 's', [visitor.name])).toEqual([NOBODY]);
      const [credentials] = asker.callBus('GetConnectionCredentials', 's', [visitor.name]);
      expect((credentials as Map<string, Variant>).get('UnixUserID')?.value).toBe(NOBODY);
      expect((credentials as Map<string, Variant>).get('UnixGroupIDs')?.value).toEqual([NOBODY]);
      await visitor.leave();
    });

    test.runIf(IS_ROOT)(
      '#10 is kept out where nothing is said; who runs the bus is not',
      async () => {
        await startWith();
        const owner = open();
        expect(owner.uniqueName).toBe(':1.0');
        const visitor = await visit(NOBODY);
        expect(visitor.name).toBe('refused');
        await visitor.leave();
      },
    );
  });

  test('#20 no attribute of a policy is passed over in silence', async () => {
    const folder = openFolder('regress-policies-');
    const policy =
      '<policy context="mandatory"><deny own="org.example.Unused" colour="red"/></policy>';
    writeFileSync(join(folder, 'odd.conf'), `<busconfig>${policy}</busconfig>`);
    await startWith(`<includedir>${folder}</includedir>
    <policy context="mandatory">
      <deny receive_sender="org.example.Mute" receive_type="method_return"
            receive_requested_reply="true"/>
      <deny receive_interface="org.example.Regress" eavesdrop="true"/>
      <allow send_interface="org.example.Regress" send_member="Logged" log="true"/>
    </policy>`);
    const [sender, mute, spy] = [open(), open(), open()];
    const unknown = await bus.complaint(({ msg }) => msg.includes(`"colour"`));
    expect(unknown.msg).toMatch(/odd\.conf:\d+:\d+: unknown attribute/);

    spy.callBus('AddMatch', 's', ["interface='org.example.Regress',eavesdrop='true'"]);
    sender.post(MessageType.Signal, signal('Logged', mute.uniqueName));
    mute.receiveSignal('Logged');
    expect(membersAt(spy)).toEqual(['NameAcquired']);
    const allowed = await bus.logged(({ msg }) => msg === 'message allowed by policy');
    expect(allowed).toMatchObject({
      name: sender.uniqueName,
      why: expect.stringMatching(/log="true".* at .*bus\.conf:\d+/),
    });

    mute.callBus('RequestName', 'su', ['org.example.Mute', 0]);
    const serial = sender.startCall({ destination: 'org.example.Mute', member: 'Ask' });
    mute.reply(mute.receive(({ member }) => member === 'Ask'));
    const refusal = mute.receive(({ type }) => type === MessageType.Error);
    expect(refusal.errorName).toBe(`${ERROR}.AccessDenied`);
    expect(sender.replyTo(serial).errorName).toBe(`${ERROR}.NoReply`);
  });
});

describe('services', () => {
  const NAME = 'org.example.Started';
  let folder: string;
  const startWithService = async (): Promise<void> => {
    folder = openFolder('regress-');
    const script = join(ROOT, 'test/regress/started-service.mjs');
    writeFileSync(
      join(folder, `${NAME}.service`),
      `[D-BUS Service]\nName=${NAME}\nExec=${process.execPath} ${script} ${NAME}\n`,
    );
    await startWith(`<servicedir>${folder}</servicedir>`);
  };
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test('#5 StartServiceByName answers when the name is there for all to see', async () => {
    await startWithService();
    const client = open();
    client.callBus('AddMatch', 's', [`member='NameOwnerChanged',arg0='${NAME}'`]);
    expect(client.callBus('StartServiceByName', 'su', [NAME, 0])).toEqual([1]);
    expect(membersAt(client)).toEqual(['NameAcquired', 'NameOwnerChanged']);
    expect(client.callBus('NameHasOwner', 's', [NAME])).toEqual([true]);
    expect(client.callBus('ListNames')[0]).toContain(NAME);
  });

  test('#13 services get the activation environment, as a desktop sets it', async () => {
    await startWithService();
    const client = open();
    const variables = new Map([
      ['DISPLAY', ':7'],
      ['GPASTE', 'a b'],
    ]);
    client.callBus('UpdateActivationEnvironment', 'a{ss}', [variables]);
    const variable = (name: string): unknown =>
      client.call({ destination: NAME, member: 'Variable', signature: 's' }, [name])[0];
    expect(variable('DISPLAY')).toBe(':7');
    expect(variable('GPASTE')).toBe('a b');
    expect(variable('DBUS_SESSION_BUS_ADDRESS')).toBe(bus.address);
  });

  test('#19 driver methods with unusual arguments answer as they should', async () => {
    await startWith();
    const [first, second] = [open(), open()];
    first.callBus('RequestName', 'su', [NAME, 0]);
    second.callBus('RequestName', 'su', [NAME, 0]);
    expect(first.callBus('ListQueuedOwners', 's', [NAME])).toEqual([
      [first.uniqueName, second.uniqueName],
    ]);
    expect(first.callBus('UpdateActivationEnvironment', 'a{ss}', [new Map()])).toEqual([]);
    const reply = first.replyTo(
      first.startCall(
        {
          destination: BUS,
          interface: BUS,
          member: 'GetConnectionSELinuxSecurityContext',
          signature: 's',
        },
        [second.uniqueName],
      ),
    );
    // Where there is SELinux the label is an array of bytes.
    expect([`${ERROR}.SELinuxSecurityContextUnknown`, 'ay']).toContain(
      reply.errorName ?? reply.signature,
    );
  });
});

describe('several buses, and the way back', () => {
  test('#14 two buses are two worlds, which tell themselves apart by their IDs', async () => {
    // How they become one is a matter of uplinks and tested there.
    await startWith();
    const here = open();
    const other = await WatchedBus.start();
    const there = RawClient.open(other.address);
    expect(here.callBus('GetId')).not.toEqual(there.callBus('GetId'));
    there.callBus('AddMatch', 's', ["interface='org.example.Regress'"]);
    here.post(MessageType.Signal, signal('Local'));
    here.callBus('GetId');
    expect(membersAt(there)).toEqual(['NameAcquired']);
    there.close();
    await other.stop();
  });

  test('#15 addresses are offered in the order of the configuration', async () => {
    const config = sessionConfig(
      'unix:path=@DIR@/first',
      '<listen>unix:path=@DIR@/second</listen>',
    );
    bus = WatchedBus.of(await startBus({ config }));
    const addresses = bus.address.split(';');
    expect(addresses.map((each) => /\/(first|second),guid=/.exec(each)?.[1])).toEqual([
      'first',
      'second',
    ]);
    for (const address of addresses) {
      const client = RawClient.open(address);
      expect(client.callBus('ListNames')[0]).toContain(client.uniqueName);
      client.close();
    }
  });

  test('#18 nothing is replaced or masked: our commands have names of their own, and leave no file', async () => {
    const folder = openFolder('regress-');
    const config = sessionConfig(`unix:path=${folder}/bus`);
    bus = WatchedBus.of(await startBus({ config }));
    expect(readdirSync(folder)).toEqual(['bus']);
    open().callBus('GetId');
    await bus.stop();
    expect(readdirSync(folder)).toEqual([]);
    rmSync(folder, { recursive: true });
    const { bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    for (const command of Object.keys(bin)) expect(command).toMatch(/^bus1-/);
  });
});
