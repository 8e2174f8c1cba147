// A reader of the log that has stopped: lines wait, then they are counted, and the bus goes on.
import { fstatSync } from 'node:fs';
import { onTestFinished, expect, test } from 'vitest';
import { isJournalStream, LogStream } from '#bridge/control/log-stream.js';
import { openJournal, prefixedLine } from '#bridge/control/syslog.js';
import { allocateBytes, bindDatagram, closeFd, recvBytes, socketPair } from '#core/linux/index.js';
import { join } from 'node:path';
import { datagramReader } from './datagram-reader.js';
import { folderOfTest } from './daemon.js';

const TIME = '"time":"2026-01-02T03:04:05.678Z"';

function pair(): [number, number] {
  const fds = socketPair();
  onTestFinished(() => fds.forEach((fd) => closeFd(fd)));
  return fds;
}

function readAll(fd: number): string {
  const { bytes, address } = allocateBytes(65_536);
  let text = '';
  for (let count = 1; count > 0;) {
    count = recvBytes(fd, address, bytes.length);
    if (count > 0) text += Buffer.from(bytes.subarray(0, count)).toString();
  }
  return text;
}

test('lines that find no room are counted, and the count follows those that did', () => {
  const [near, far] = pair();
  const stream = new LogStream(near, (count) => `lost ${count}\n`);
  const line = `${'x'.repeat(999)}\n`;
  for (let i = 0; i < 2000; i++) stream.write(line);
  let text = readAll(far);
  let rounds = 0;
  for (; !/^lost .*\n/mu.test(text); rounds++) {
    stream.write('end\n');
    text += readAll(far);
  }
  const lost = Number(/^lost (\d+)$/mu.exec(text)?.[1]);
  const kept = text.split('\n').filter((one) => one.length === 999).length;
  expect(lost).toBeGreaterThan(1000);
  expect(kept).toBeLessThan(1000);
  const ends = text.split('\n').filter((one) => one === 'end').length;
  expect(kept + lost + ends).toBe(2000 + rounds);
});

test('a reader that has gone is not an error', () => {
  const [near, far] = socketPair();
  closeFd(far);
  const stream = new LogStream(near, String);
  expect(() => {
    for (let i = 0; i < 10; i++) stream.write('x\n');
  }).not.toThrow();
  closeFd(near);
});

test('the journal is known by device and inode', () => {
  const [near] = pair();
  const { dev, ino } = fstatSync(near);
  expect(isJournalStream(near, `${dev}:${ino}`)).toBe(true);
  expect(isJournalStream(near, `${dev}:${ino + 1}`)).toBe(false);
  expect(isJournalStream(near, undefined)).toBe(false);
});

test.each([
  [`{"level":"notice",${TIME},"uid":7,"msg":"no"}`, '<5>no uid=7\n'],
  [`{"level":"error",${TIME},"msg":"two\\nlines"}`, '<3>two | lines\n'],
])('%s for the journal', (json, line) => {
  expect(prefixedLine(json)).toBe(line);
});

test('the journal gets each field by itself', () => {
  const path = join(folderOfTest(), 'journal');
  const reader = datagramReader(path);
  const fields = '"name":":1.7","pid":4711,"receiverUid":5,"rule":"/etc/a.conf:3"';
  openJournal('bus', path)!.write(`{"level":"notice",${TIME},${fields},"msg":"no"}`);
  const entry = reader.next();
  for (const [name, value] of [
    ['MESSAGE', 'no name=:1.7 pid=4711 receiverUid=5 rule=/etc/a.conf:3'],
    ['PRIORITY', '5'],
    ['SYSLOG_IDENTIFIER', 'bus'],
    ['DBUS_UNIQUE_NAME', ':1.7'],
    ['OBJECT_PID', '4711'],
    ['BUS1_PID', '4711'],
    ['BUS1_RECEIVER_UID', '5'],
    ['BUS1_RULE', '/etc/a.conf:3'],
  ]) {
    expect(entry).toContain(
      `${name}\n${String.fromCodePoint(value.length)}\0\0\0\0\0\0\0${value}\n`,
    );
  }
});

test('a journal that has stopped does not block, and is told afterwards how much it missed', () => {
  const path = join(folderOfTest(), 'stopped');
  const fd = bindDatagram(path);
  onTestFinished(() => closeFd(fd));
  const log = openJournal('bus', path)!;
  const write = (msg: string): void => log.write(`{"level":"info",${TIME},"msg":"${msg}"}`);
  for (let i = 0; i < 5000; i++) write('one');
  const taken = readAll(fd).split('SYSLOG_IDENTIFIER').length - 1;
  write('last');
  const [, lost] = /(\d+) log lines were dropped/u.exec(readAll(fd))!;
  expect(taken + Number(lost)).toBe(5000);
});
