import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as linux from '#core/linux/index.js';

const { Errno } = linux;

let directory: string;
let open: number[];

/** Remembers a descriptor to close after the test. */
function closing(fd: number): number {
  open.push(fd);
  return fd;
}

function pair(): [number, number] {
  const [a, b] = linux.socketPair();
  return [closing(a), closing(b)];
}

/** The flags word of an open descriptor, as the kernel shows it (octal, O_CLOEXEC included). */
function descriptorFlags(fd: number): number {
  const text = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  return Number.parseInt(/flags:\s+([0-7]+)/.exec(text)![1], 8);
}

const O_CLOEXEC = 0o2000000;
const O_NONBLOCK = 0o4000;

function isOpen(fd: number): boolean {
  return readdirSync('/proc/self/fd').includes(String(fd));
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bus1-linux-'));
  open = [];
});

afterEach(() => {
  for (const fd of open) if (isOpen(fd)) linux.closeFd(fd);
  rmSync(directory, { recursive: true });
});

describe('native memory', () => {
  it('is where it says it is: what the kernel writes there shows up in the bytes', () => {
    const memory = linux.NativeMemory.map(1 << 20);
    const [a, b] = pair();
    memory.bytes.set([1, 2, 3]);
    expect(linux.sendBytes(a, memory.address, 3)).toBe(3);
    expect(linux.recvBytes(b, memory.address + 4096, 16)).toBe(3);
    expect(memory.bytes.slice(4096, 4100)).toEqual(new Uint8Array([1, 2, 3, 0]));
    memory.unmap();
    expect(memory.bytes.length).toBe(0);
  });

  it('reports a mapping that does not fit with its size', () => {
    expect(() => linux.NativeMemory.map(2 ** 52)).toThrow(
      /^mmap: ENOMEM .*: 4503599627370496 bytes$/,
    );
  });

  it('refuses the address of a buffer that V8 may move', () => {
    expect(() => linux.addressOf(new Uint8Array(64))).toThrow(RangeError);
    expect(linux.addressOf(new Uint8Array(65))).toBeGreaterThan(0);
  });
});

describe('bytes over sockets', () => {
  const memory = linux.NativeMemory.map(8 << 20);

  it.each([
    ['nothing to read', (a: number) => linux.recvBytes(a, memory.address, 1), -Errno.EAGAIN],
    [
      'the end of the stream',
      (a: number, b: number) => {
        linux.shutdownBoth(b);
        return linux.recvBytes(a, memory.address, 1);
      },
      0,
    ],
    [
      'nobody to read',
      (a: number, b: number) => {
        linux.closeFd(b);
        return linux.sendBytes(a, memory.address, 1);
      },
      -Errno.EPIPE,
    ],
    ['no such descriptor', () => linux.recvBytes(99_999, memory.address, 1), -Errno.EBADF],
  ])('%s is a return value', (_, act, expected) => {
    const [a, b] = pair();
    expect(act(a, b)).toBe(expected);
  });

  it('sends in part when the socket is full, and the rest later', () => {
    const [a, b] = pair();
    const total = 4 << 20;
    for (let i = 0; i < total; i += 4096) memory.bytes[i] = (i >>> 12) & 0xff;
    const first = linux.sendBytes(a, memory.address, total);
    expect(first).toBeGreaterThan(0);
    expect(first).toBeLessThan(total);
    expect(linux.sendBytes(a, memory.address + first, total - first)).toBe(-Errno.EAGAIN);
    let sent = first;
    let received = 0;
    while (received < total) {
      const count = linux.recvBytes(b, memory.address + total + received, total - received);
      expect(count).toBeGreaterThan(0);
      received += count;
      if (sent < total)
        sent += Math.max(0, linux.sendBytes(a, memory.address + sent, total - sent));
    }
    expect(Buffer.compare(memory.bytes.slice(0, total), memory.bytes.slice(total, 2 * total))).toBe(
      0,
    );
  });

  it('gathers pieces of memory into one write', () => {
    const [a, b] = pair();
    const sender = new linux.MessageSender();
    sender.begin();
    memory.bytes.set(Buffer.from('bus1'), 0);
    for (const at of [3, 1, 2, 0]) sender.add(memory.address + at, 1);
    expect(sender.pieces).toBe(4);
    expect(sender.send(a)).toBe(4);
    const count = linux.recvBytes(b, memory.address + 100, 100);
    expect(Buffer.from(memory.bytes.slice(100, 100 + count)).toString()).toBe('1usb');
  });

  it('takes 64 pieces and 253 descriptors, not more', () => {
    const sender = new linux.MessageSender();
    sender.begin();
    for (let i = 0; i < linux.SEND_PIECES_MAX; i++) sender.add(memory.address, 1);
    expect(() => sender.add(memory.address, 1)).toThrow(RangeError);
    for (let i = 0; i < linux.SCM_MAX_FD; i++) sender.addFd(0);
    expect(() => sender.addFd(0)).toThrow(RangeError);
  });
});

describe('descriptors over sockets', () => {
  const memory = linux.NativeMemory.map(4096);
  const sender = new linux.MessageSender();

  function sendFds(socket: number, fds: number[]): void {
    sender.begin();
    sender.add(memory.address, 1);
    for (const fd of fds) sender.addFd(fd);
    expect(sender.send(socket)).toBe(1);
  }

  it.each([1, 2, 3, 253])('%i of them arrive in order, close-on-exec', (count) => {
    const [a, b] = pair();
    const sent = Array.from({ length: count }, (_, i) =>
      closing(linux.createMemfd('t', (i + 1) * 10)),
    );
    sendFds(a, sent);
    const receiver = new linux.MessageReceiver();
    expect(receiver.receive(b, memory.address, 16)).toBe(1);
    expect(receiver.truncated).toBe(false);
    const received = Array.from(receiver.fds.slice(0, receiver.fdCount), (fd) => closing(fd));
    expect(received.map((fd) => statSync(`/proc/self/fd/${fd}`).size)).toEqual(
      sent.map((_, i) => (i + 1) * 10),
    );
    for (const fd of received) expect(descriptorFlags(fd) & O_CLOEXEC).toBe(O_CLOEXEC);
  });

  it('a message without any resets what the last one brought', () => {
    const [a, b] = pair();
    const receiver = new linux.MessageReceiver();
    sendFds(a, [a]);
    receiver.receive(b, memory.address, 16);
    closing(receiver.fds[0]);
    sendFds(a, []);
    expect(receiver.receive(b, memory.address, 16)).toBe(1);
    expect(receiver.fdCount).toBe(0);
  });

  it('more than there is room for: the first are kept, the rest is closed', () => {
    const [a, b] = pair();
    const receiver = new linux.MessageReceiver(2);
    const before = readdirSync('/proc/self/fd').length;
    sendFds(a, [a, a, a, a]);
    receiver.receive(b, memory.address, 16);
    expect(receiver).toMatchObject({ fdCount: 2, truncated: true });
    expect(readdirSync('/proc/self/fd').length).toBe(before + 2);
    for (const fd of receiver.fds) closing(fd);
  });

  it('more than this process may open: the kernel cuts the list (MSG_CTRUNC)', () => {
    const [a, b] = pair();
    const receiver = new linux.MessageReceiver();
    sendFds(a, [a, b, a]);
    const limit = linux.getOpenFilesLimit();
    const next = linux.duplicate(a);
    linux.closeFd(next);
    linux.setOpenFilesLimit({ soft: next + 1, hard: limit.hard });
    const count = receiver.receive(b, memory.address, 16);
    linux.setOpenFilesLimit(limit);
    for (let i = 0; i < receiver.fdCount; i++) closing(receiver.fds[i]);
    expect(count).toBe(1);
    expect(receiver).toMatchObject({ fdCount: 1, truncated: true });
  });
});

describe('sockets', () => {
  const addresses: [string, () => string][] = [
    ['path', () => join(directory, 'bus')],
    ['abstract', () => `\0bus1-test-${process.pid}`],
  ];

  it.each(addresses)('listen and connect: %s', (_, makePath) => {
    const path = makePath();
    const listener = closing(linux.listenUnix(path));
    expect(linux.isListening(listener)).toBe(true);
    expect(linux.unixSocketPath(listener)).toBe(path);
    expect(linux.acceptConnection(listener)).toBe(-Errno.EAGAIN);
    const client = closing(linux.connectUnix(path));
    const server = closing(linux.acceptConnection(listener));
    for (const fd of [listener, client, server]) {
      expect(descriptorFlags(fd) & (O_CLOEXEC | O_NONBLOCK)).toBe(O_CLOEXEC | O_NONBLOCK);
      expect(linux.socketDomain(fd)).toBe(linux.AF_UNIX);
    }
    expect(linux.unixSocketPath(client)).toBe('');
    expect(linux.isListening(client)).toBe(false);
  });

  it.each(addresses)('an address in use is named in the error: %s', (_, makePath) => {
    const path = makePath();
    closing(linux.listenUnix(path));
    const shown = path.replace('\0', '@');
    expect(() => linux.listenUnix(path)).toThrow(
      `bind: EADDRINUSE (Address already in use): ${shown}`,
    );
  });

  it('an address where nobody listens is named too', () => {
    const path = join(directory, 'nobody');
    expect(() => linux.connectUnix(path)).toThrow(
      `connect: ENOENT (No such file or directory): ${path}`,
    );
  });

  it('a path of 107 bytes fits, one more does not', () => {
    const fitting = join(directory, 'x'.repeat(107 - directory.length - 1));
    expect(linux.unixSocketPath(closing(linux.listenUnix(fitting)))).toBe(fitting);
    expect(() => linux.listenUnix(`${fitting}x`)).toThrow(/ENAMETOOLONG.*at most 107/);
  });

  it('the socket file gets the mode asked for', () => {
    const path = join(directory, 'bus');
    closing(linux.listenUnix(path, { mode: 0o666 }));
    expect(statSync(path).mode & 0o777).toBe(0o666);
  });

  it.each([
    ['127.0.0.1', '127.0.0.1'],
    ['*', '127.0.0.1'],
    ['localhost', 'localhost'],
  ])('TCP: listen on %s, port 0', (host, target) => {
    const { fd, port } = linux.listenTcp({ host, port: 0, family: 'ipv4' });
    closing(fd);
    expect(port).toBeGreaterThan(0);
    const client = closing(linux.connectTcp(target, port, 'ipv4'));
    expect(linux.waitReadable(fd, 5000)).toBe(true);
    expect(linux.socketDomain(closing(linux.acceptConnection(fd)))).toBe(linux.AF_INET);
    expect(linux.socketError(client)).toBe(0);
  });

  it('TCP: a host without an address is an error of its own', () => {
    expect(() => linux.connectTcp('no such host', 1)).toThrow(linux.ResolveError);
  });
});

describe('descriptors', () => {
  it('flags can be set and cleared', () => {
    const fd = closing(linux.duplicate(pair()[0]));
    expect(descriptorFlags(fd) & O_CLOEXEC).toBe(O_CLOEXEC);
    linux.setCloseOnExec(fd, false);
    linux.setNonBlocking(fd, false);
    expect(descriptorFlags(fd) & (O_CLOEXEC | O_NONBLOCK)).toBe(0);
    linux.setCloseOnExec(fd, true);
    linux.setNonBlocking(fd);
    expect(descriptorFlags(fd) & (O_CLOEXEC | O_NONBLOCK)).toBe(O_CLOEXEC | O_NONBLOCK);
  });

  it('a memfd is not a socket', () => {
    const fd = closing(linux.createMemfd('t', 1));
    expect([linux.isSocket(fd), linux.isListening(fd), linux.socketDomain(fd)]).toEqual([
      false,
      false,
      undefined,
    ]);
  });

  it('waiting for one: false when nothing came, true for data and for the end', () => {
    const [a, b] = pair();
    expect(linux.waitReadable(a, 0)).toBe(false);
    expect(linux.waitWritable(a, 0)).toBe(true);
    linux.closeFd(b);
    expect(linux.waitReadable(a, -1)).toBe(true);
  });
});

describe('credentials', () => {
  it('of a socket pair are our own', () => {
    const [a] = pair();
    const gid = process.getgid!();
    expect(linux.peerCredentials(a)).toEqual({ pid: process.pid, uid: process.getuid!(), gid });
    const groups = process.getgroups!().filter((group) => group !== gid);
    expect(linux.peerGroups(a)!.filter((group) => group !== gid)).toEqual(
      groups.toSorted((x, y) => x - y),
    );
  });

  it('the pidfd, where the kernel has it, is for our process and close-on-exec', () => {
    const fd = linux.peerPidFd(pair()[0]);
    if (fd === undefined) return;
    closing(fd);
    expect(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8')).toMatch(`Pid:\t${process.pid}\n`);
    expect(descriptorFlags(fd) & O_CLOEXEC).toBe(O_CLOEXEC);
  });

  it('the label has no trailing NUL', () => {
    const label = linux.peerSecurityLabel(pair()[0]);
    expect(label === undefined || label.at(-1) !== 0).toBe(true);
  });

  it('of something else are an error', () => {
    const fd = closing(linux.createMemfd('t', 1));
    expect(() => linux.peerCredentials(fd)).toThrow(/getsockopt\(SO_PEERCRED\): ENOTSOCK/);
    expect(() => linux.peerGroups(fd)).toThrow(/ENOTSOCK/);
  });
});

describe('shared memory', () => {
  it('two mappings of one memfd see each other', () => {
    const fd = closing(linux.createMemfd('bus1-test', 4096));
    const one = linux.SharedMapping.map(fd, 4096, { writable: true });
    const two = linux.SharedMapping.map(fd, 4096, { writable: false });
    expect(one.address).not.toBe(two.address);
    Atomics.store(one.words, 7, 0x1234_5678);
    expect(Atomics.load(two.words, 7)).toBe(0x1234_5678);
    expect(two.view.getUint32(28, true)).toBe(0x1234_5678);
    expect(two.bytes[28]).toBe(0x78);
    one.unmap();
    two.unmap();
    two.unmap();
    expect([one.address, one.words.length, one.bytes.length, one.view.byteLength]).toEqual([
      0, 0, 0, 0,
    ]);
  });

  it.each([
    ['shrink', linux.Seal.Shrink, 100],
    ['grow', linux.Seal.Grow, 8192],
  ])('a seal refuses to %s', (_, seal, lengthBytes) => {
    const fd = closing(linux.createMemfd('bus1-test', 4096));
    linux.sealMemfd(fd, seal | linux.Seal.Seal);
    expect(linux.memfdSeals(fd)).toBe(seal | linux.Seal.Seal);
    expect(() => linux.resizeMemfd(fd, lengthBytes)).toThrow(/^ftruncate: EPERM/);
    expect(() => linux.sealMemfd(fd, linux.Seal.Write)).toThrow(/EPERM/);
  });

  it('sealing must have been allowed', () => {
    const fd = closing(linux.createMemfd('bus1-test', 1, { allowSealing: false }));
    expect(() => linux.sealMemfd(fd, linux.Seal.Shrink)).toThrow(/EPERM/);
  });
});

describe('futex', () => {
  const { FutexResult } = linux;

  it('returns at once when the word differs, and after the time when nobody wakes', () => {
    const memory = linux.NativeMemory.map(4096);
    expect(linux.futexWait(memory.address, 1, -1)).toBe(FutexResult.Differs);
    expect(linux.futexWait(memory.address, 0, 1)).toBe(FutexResult.TimedOut);
    expect(linux.futexWake(memory.address, 1)).toBe(0);
    memory.unmap();
  });

  it('wakes a thread that sleeps on another mapping of the same memory', async () => {
    const fd = closing(linux.createMemfd('bus1-test', 4096));
    const mapping = linux.SharedMapping.map(fd, 4096, { writable: true });
    const worker = new Worker(
      `const { workerData, parentPort } = require('node:worker_threads');
       import(workerData.linux).then(({ SharedMapping, futexWait }) => {
         const mapping = SharedMapping.map(workerData.fd, 4096, { writable: true });
         Atomics.store(mapping.words, 1, 1);
         let result = 0;
         while (Atomics.load(mapping.words, 0) === 0) {
           result = futexWait(mapping.address, 0, 30_000);
         }
         parentPort.postMessage({ result, word: mapping.words[0] });
       });`,
      { eval: true, workerData: { fd, linux: import.meta.resolve('#core/linux/index.js') } },
    );
    const answer = new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    while (Atomics.load(mapping.words, 1) === 0) await new Promise(setImmediate);
    while (linux.futexWake(mapping.address, 0x7fff_ffff) === 0) await new Promise(setImmediate);
    Atomics.store(mapping.words, 0, 42);
    linux.futexWake(mapping.address, 1);
    expect(await answer).toMatchObject({ word: 42 });
    await worker.terminate();
    mapping.unmap();
  });
});

describe('epoll', () => {
  it('tells which descriptor, and what', () => {
    const epoll = new linux.Epoll(4);
    const [a, b] = pair();
    epoll.add(a, linux.EPOLLIN | linux.EPOLLRDHUP);
    expect(epoll.wait(0)).toBe(0);
    const memory = linux.NativeMemory.map(4096);
    linux.sendBytes(b, memory.address, 1);
    expect([epoll.wait(-1), epoll.fdAt(0), epoll.eventsAt(0)]).toEqual([1, a, linux.EPOLLIN]);
    linux.closeFd(b);
    epoll.wait(-1);
    expect(epoll.eventsAt(0) & linux.EPOLLHUP).toBe(linux.EPOLLHUP);
    epoll.modify(a, linux.EPOLLOUT | linux.EPOLLET);
    epoll.wait(-1);
    expect(epoll.eventsAt(0) & linux.EPOLLOUT).toBe(linux.EPOLLOUT);
    expect(epoll.wait(0)).toBe(0);
    epoll.remove(a);
    expect(() => epoll.remove(a)).toThrow(
      `epoll_ctl: ENOENT (No such file or directory): descriptor ${a}`,
    );
    epoll.close();
    memory.unmap();
  });

  it('keeps the events of a wait while descriptors are changed', () => {
    const epoll = new linux.Epoll(2);
    const events = [new linux.EventFd(), new linux.EventFd(), new linux.EventFd()];
    for (const event of events) epoll.add(event.fd, linux.EPOLLIN);
    for (const event of events) event.notify();
    expect(epoll.wait(-1)).toBe(2);
    const seen = [epoll.fdAt(0), epoll.fdAt(1)];
    for (const fd of seen) epoll.modify(fd, 0);
    expect([epoll.fdAt(0), epoll.fdAt(1)]).toEqual(seen);
    expect([epoll.wait(-1), seen.includes(epoll.fdAt(0))]).toEqual([1, false]);
    for (const event of events) event.close();
    epoll.close();
  });

  it('an eventfd wakes until it is drained; notifying twice wakes once', () => {
    const event = new linux.EventFd();
    expect(linux.waitReadable(event.fd, 0)).toBe(false);
    event.notify();
    event.notify();
    expect(linux.waitReadable(event.fd, 0)).toBe(true);
    event.drain();
    event.drain();
    expect(linux.waitReadable(event.fd, 0)).toBe(false);
    event.close();
  });
});

describe('hot calls', () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');

  function heapUsed(): number {
    collectGarbage();
    return process.memoryUsage().heapUsed;
  }

  it('keep the heap as it is over a million calls', () => {
    const memory = linux.NativeMemory.map(4096);
    const [a, b] = pair();
    const epoll = new linux.Epoll();
    epoll.add(b, linux.EPOLLIN);
    const sender = new linux.MessageSender();
    const receiver = new linux.MessageReceiver();
    const turns = (count: number): void => {
      for (let i = 0; i < count; i++) {
        sender.begin();
        sender.add(memory.address, 64);
        sender.add(memory.address + 64, 64);
        sender.send(a);
        if (epoll.wait(-1) !== 1 || epoll.fdAt(0) !== b) throw new Error('lost event');
        receiver.receive(b, memory.address + 1024, 256);
        linux.recvBytes(b, memory.address, 64);
      }
    };
    turns(10_000);
    const before = heapUsed();
    turns(250_000); // four calls each
    const grownBytes = heapUsed() - before;
    epoll.close();
    expect(grownBytes).toBeLessThan(100_000); // a tenth of a byte for each call: noise, not a leak
  });
});
