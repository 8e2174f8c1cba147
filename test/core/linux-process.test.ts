import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as linux from '#core/linux/index.js';
import { ROOT } from '../support/bus-command.js';
import { output } from '../support/process.js';

const { Errno, SystemError } = linux;

describe('SystemError', () => {
  it('names the call, the errno and what was touched', () => {
    expect(() => linux.closeFd(99_999)).toThrow(
      new SystemError('close', Errno.EBADF, 'descriptor 99999'),
    );
    const error = new SystemError('recvmsg', Errno.EAGAIN);
    expect(error.message).toBe('recvmsg: EAGAIN (Resource temporarily unavailable)');
    expect(error).toMatchObject({ code: 'EAGAIN', errno: 11, call: 'recvmsg' });
  });

  it('has a name for every errno that is told apart, and for a number without one', () => {
    for (const [name, errno] of Object.entries(Errno)) expect(linux.errnoName(errno)).toBe(name);
    expect(linux.errnoName(4321)).toBe('E4321');
  });
});

describe('a watch in the loop of Node', () => {
  // In a process of its own: the channel of a test's process makes continuations run, too.
  const PROGRAM = `
    import { EventFd, watchReadable } from '#core/linux/index.js';
    const event = new EventFd();
    const watch = watchReadable(event.fd, () => {
      watch.close();
      void Promise.resolve().then(() => process.stdout.write('continuation '));
    });
    event.notify();
    setTimeout(() => process.stdout.write('timer'), 300);
  `;

  it('runs the continuations of its callback before the loop sleeps, on Node 26, too', async () => {
    const args = ['--input-type=module', '--eval', PROGRAM];
    expect(await output(process.execPath, args, { cwd: ROOT })).toBe('continuation timer');
  });
});

describe('process and users', () => {
  it('agrees with Node on who we are', () => {
    expect([linux.getuid(), linux.geteuid()]).toEqual([process.getuid!(), process.geteuid!()]);
    const before = linux.umask(0o027);
    expect(linux.umask(before)).toBe(0o027);
    const { soft, hard } = linux.getOpenFilesLimit();
    expect(soft).toBeLessThanOrEqual(hard);
  });

  it('a process that is there can be asked for, one that is not is named', () => {
    linux.killProcess(process.pid, 0);
    expect(() => linux.killProcess(2 ** 30, 0)).toThrow(
      'kill: ESRCH (No such process): process 1073741824',
    );
  });

  it('finds root by name, by number and by digits', () => {
    const root = { name: 'root', uid: 0, gid: 0 };
    for (const key of ['root', 0, '0']) expect(linux.lookupUser(key)).toMatchObject(root);
    for (const key of ['root', 0, '0']) {
      expect(linux.lookupGroup(key)).toEqual({ name: 'root', gid: 0 });
    }
    expect(linux.groupsOf(linux.lookupUser(0)!)).toContain(0);
  });

  it.each(['no-such-user', '', '4294967295', '-1'])('does not find %j', (name) => {
    expect(linux.lookupUser(name)).toBeUndefined();
    expect(linux.lookupGroup(name)).toBeUndefined();
  });
});

describe('sdNotify', () => {
  let directory: string;
  let manager: number | undefined;
  const previous = process.env['NOTIFY_SOCKET'];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'bus1-notify-'));
  });

  afterEach(() => {
    if (manager !== undefined) linux.closeFd(manager);
    manager = undefined;
    rmSync(directory, { recursive: true });
    if (previous === undefined) delete process.env['NOTIFY_SOCKET'];
    else process.env['NOTIFY_SOCKET'] = previous;
  });

  it('is false without a manager', () => {
    delete process.env['NOTIFY_SOCKET'];
    expect(linux.sdNotify('READY=1')).toBe(false);
  });

  it.each(['/notify', '@'])('tells the manager at %s', (place) => {
    const address = place === '@' ? `@bus1-notify-${process.pid}` : `${directory}${place}`;
    manager = linux.bindDatagram(address.replace('@', '\0'));
    process.env['NOTIFY_SOCKET'] = address;
    expect(linux.sdNotify('READY=1\nSTATUS=ok')).toBe(true);
    const memory = linux.NativeMemory.map(4096);
    const count = linux.recvBytes(manager, memory.address, 4096);
    expect(Buffer.from(memory.bytes.slice(0, count)).toString()).toBe('READY=1\nSTATUS=ok');
    memory.unmap();
  });

  it('says which socket could not be reached', () => {
    writeFileSync(join(directory, 'file'), '');
    process.env['NOTIFY_SOCKET'] = join(directory, 'file');
    expect(() => linux.sdNotify('READY=1')).toThrow(/^sendto: ECONNREFUSED .*\/file$/);
  });

  it('accepts only addresses of sockets that exist', () => {
    process.env['NOTIFY_SOCKET'] = '@bus1-test-nobody';
    expect(() => linux.sdNotify('READY=1')).toThrow(/^sendto: ECONNREFUSED .*@bus1-test-nobody$/);
  });
});
