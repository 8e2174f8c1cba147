// A name moves between two buses, and back, while a client of either bus calls it every 10 ms.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWith } from '../support/software.js';
import { type Program, start } from '../support/process.js';
import { Bridge } from './bridge.js';
import {
  migrate,
  NOTIFICATIONS,
  NOTIFICATION_SOFTWARE,
  Notifier,
  outOfOrder,
  received,
  serviceCommand,
  type Count,
} from './notifications.js';
import { OLD_BUSES, OLD_BUS_SOFTWARE, OldBus } from './old-bus.js';
import { waitForName } from './wait-for-name.js';

const SIDES = ['old bus', 'bridge'] as const;

describe.each(OLD_BUSES)('beside %s', (kind) => {
  describeWith([...NOTIFICATION_SOFTWARE, ...OLD_BUS_SOFTWARE[kind]], 'migrate under load', () => {
    describe.each(SIDES)('with a client on the %s', (side) => {
      let old: OldBus;
      let bridge: Bridge;
      let service: Program;
      const started: number[] = [];
      const log = (number: number): string => join(old.folder, `notifications-${number}.log`);

      beforeAll(async () => {
        old = await OldBus.start(kind);
        const [program, ...args] = serviceCommand(log(0));
        service = start(program, args, { env: old.env });
        await waitForName(old.address, NOTIFICATIONS);
        bridge = await Bridge.attach(old, { imports: [NOTIFICATIONS] });
      });
      afterAll(async () => {
        for (const pid of started) process.kill(pid, 'SIGTERM');
        await service.stop();
        await bridge.stop();
        await old.stop();
      });

      test('there and back again, no notification is lost, and their order is kept', async () => {
        const notifier = await Notifier.start(side === 'bridge' ? bridge.env : old.env);
        await notifier.goOn();
        const move = async (number: number, ...words: readonly string[]): Promise<void> => {
          const command = serviceCommand(log(number));
          const { result } = await migrate(bridge, NOTIFICATIONS, ...words, '--', ...command);
          expect(result).toMatchObject({ moved: true });
          started.push(result.to.pid);
          await notifier.goOn();
          await notifier.goOn();
        };
        await move(1);
        await move(2, '--back');
        const count = await notifier.end();
        const logs = [0, 1, 2].map((number) => received(log(number)));
        report(kind, side, count, logs);
        expect(count.failed).toBe(0);
        expect(count.answered).toBe(count.sent);
        for (const each of logs) expect(each.length).toBeGreaterThan(0);
        const all = Array.from({ length: count.sent }, (_, i) => i + 1);
        expect(logs.flat()).toEqual(all);
      });
    });
  });
});

function report(kind: string, side: string, count: Count, logs: readonly number[][]): void {
  const numbers = logs.flat();
  const each = logs.map(({ length }) => length).join(' + ');
  process.stdout.write(
    `beside ${kind}, client on the ${side}: sent ${count.sent}, received ${numbers.length} (${each}), ` +
      `answered ${count.answered}, out of order ${outOfOrder(numbers)}\n`,
  );
}
