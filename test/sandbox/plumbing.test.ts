// What passes through `bus1-bridge sandbox` beside the rules: descriptors, much at once, and its own end.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeMessage } from '#bridge/wire/message.js';
import { MessageType } from '#bridge/wire/types.js';
import { openFolder } from '../support/bus-command.js';
import { describeWith, startBus } from '../support/bus.js';
import { killAtExit } from '../support/process.js';
import { RawClient } from '../support/raw-client.js';
import { OLD_BUS_SOFTWARE, OldBus } from '../uplink/old-bus.js';
import { Front, PROXIES, type FrontedBus } from './front.js';

const SERVICE = 'org.example.Service';
const CALL = { path: '/', interface: 'org.example.I', member: 'M', destination: SERVICE };

const BUSES = [
  ['in front of dbus-daemon', () => OldBus.start('dbus-daemon')],
  ['of a bridge', () => startBus()],
] as const;

describeWith(OLD_BUS_SOFTWARE['dbus-daemon'], 'bus1-bridge sandbox', () => {
  describe.each(BUSES)(
    '%s',
    (_title, open: () => Promise<FrontedBus & { stop(): Promise<void> }>) => {
      const folder = openFolder('plumbing-');
      let old: Awaited<ReturnType<typeof open>>;
      let front: Front;
      let service: RawClient;

      beforeAll(async () => {
        old = await open();
        front = await Front.start('bus1-bridge sandbox', old, [[`--talk=${SERVICE}`]]);
        service = new RawClient(old.address).authenticate();
        service.callBus('Hello');
        service.callBus('RequestName', 'su', [SERVICE, 0]);
      });

      afterAll(async () => {
        service.close();
        await front.stop();
        await old.stop();
      });

      test('passes descriptors on, and keeps none', () => {
        const client = front.connect(0);
        const file = join(folder, 'file');
        writeFileSync(file, '');
        const fd = openSync(file, 'r');
        for (let round = 0; round < 3; round++) {
          const serial = client.startCall({ ...CALL, signature: 'h' }, [0], [fd]);
          const call = service.receive(({ member }) => member === 'M');
          expect(service.takeDescriptors(1)).toEqual([file]);
          service.reply(call);
          client.replyTo(serial);
        }
        closeSync(fd);
        client.close();
      });

      test('keeps the order of answers, refused calls between others', () => {
        const client = front.connect(0);
        const serials = Array.from({ length: 50 }, (_, i) =>
          client.startCall({ ...CALL, destination: i % 2 === 0 ? 'org.example.Hidden' : BUS }),
        );
        const answers = serials.map(() => client.receive((each) => (each.replySerial ?? 0) > 0));
        expect(answers.map(({ replySerial }) => replySerial)).toEqual(serials);
        client.close();
      });

      test('waits for a side that does not read, and loses nothing', () => {
        const client = front.connect(0);
        const text = 'x'.repeat(100_000);
        for (let i = 0; i < 40; i++) {
          client.post(MessageType.MethodCall, { ...CALL, flags: 1, signature: 's' }, [text]);
        }
        client.callBus('GetId');
        for (let i = 0; i < 40; i++) {
          expect(service.receive(({ member }) => member === 'M').body).toEqual([text]);
        }
        client.close();
      });

      test('hangs up on a client that counts backwards', () => {
        const client = front.connect(0);
        const last = client.nextSerial();
        client.callBus('GetId');
        client.send(callBytes(last));
        expect(client.receiveUntilEnd().filter(({ replySerial }) => replySerial === last)).toEqual(
          [],
        );
        client.close();
      });

      test('reads words from --args, is ready with one byte, and ends when --fd is closed', async () => {
        const path = join(folder, 'args-front');
        const [command, ...words] = PROXIES['bus1-bridge sandbox'];
        const child = spawn(command, [...words, '--args=4', '--fd=3'], {
          stdio: ['ignore', 'ignore', 'inherit', 'pipe', 'pipe'],
        });
        killAtExit(child);
        const ready = child.stdio[3]!;
        const args = child.stdio[4] as unknown as NodeJS.WritableStream;
        args.end([old.address, path, '--filter', `--see=${SERVICE}`, ''].join('\0'));
        const [bytes] = (await once(ready, 'data')) as [Buffer];
        expect(String(bytes)).toBe('x');
        const client = new RawClient(`unix:path=${path}`).authenticate();
        client.callBus('Hello');
        expect(client.callBus('NameHasOwner', 's', [SERVICE])).toEqual([true]);
        const exited = child.exitCode ?? once(child, 'exit').then(([code]) => code as number);
        ready.destroy();
        expect(await exited).toBe(0);
        client.receiveUntilEnd();
        expect(existsSync(path)).toBe(false);
        client.close();
      });
    },
  );
});

const BUS = 'org.freedesktop.DBus';

function callBytes(serial: number): Uint8Array {
  const call = { destination: BUS, path: '/', interface: BUS, member: 'GetId' };
  return encodeMessage({ type: MessageType.MethodCall, serial, ...call });
}
