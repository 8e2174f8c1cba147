// Sockets whose last close waits, sent by a member of the domain over every socket that it shares with another process.
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  acceptConnection,
  allocateBytes,
  closeFd,
  connectTcp,
  listenTcp,
  MessageSender,
  sendBytes,
  setNonBlocking,
  socketPair,
  yieldProcessor,
} from '#core/linux/index.js';
import { setsockopt } from '#core/linux/libc.js';
import type { RawChannel } from '../fuzz/raw-channel.js';
import { RawMember } from '../fuzz/raw-member.js';
import { Scene } from '../fuzz/scene.js';

const SOL_SOCKET = 1;
const SO_LINGER = 13;
/** struct linger: on, for an hour */
const HOUR = new Int32Array([1, 3600]);
const TEST_MS = 120_000;

const chunk = allocateBytes(65_536);
const sender = new MessageSender();

let scene: Scene;
/** other ends, which read nothing */
const far: number[] = [];

beforeAll(async () => {
  scene = await Scene.start(2);
}, TEST_MS);

afterAll(async () => {
  for (const fd of far.splice(0)) closeFd(fd);
  await scene.stop();
}, TEST_MS);

/** A connected socket, with more written to it than its other end takes. */
function lingering(): number {
  const { fd: server, port } = listenTcp({ host: '127.0.0.1', port: 0 });
  setNonBlocking(server, false);
  const near = connectTcp('127.0.0.1', port);
  far.push(acceptConnection(server));
  closeFd(server);
  setNonBlocking(near);
  while (sendBytes(near, chunk.address, chunk.bytes.length) > 0);
  expect(setsockopt(near, SOL_SOCKET, SO_LINGER, HOUR, HOUR.byteLength)).toBe(0);
  return near;
}

/** Performs it when all threads of the process have stopped: a signal takes a moment to reach those elsewhere. */
function whileStopped(pid: number, perform: () => void): void {
  process.kill(pid, 'SIGSTOP');
  const folder = `/proc/${pid}/task`;
  const isStopped = (task: string): boolean =>
    /\) T /.test(readFileSync(`${folder}/${task}/stat`, 'utf8'));
  while (!readdirSync(folder).every(isStopped)) yieldProcessor();
  perform();
  process.kill(pid, 'SIGCONT');
}

/** Sends a byte with this descriptor, and closes it here. */
function sendAway(socket: number, fd: number): void {
  sender.begin();
  sender.add(chunk.address, 1);
  sender.addFd(fd);
  expect(sender.send(socket)).toBe(1);
  closeFd(fd);
}

/** A unix socket with such a socket in a message to it. */
function inSocket(): number {
  const [receiver, other] = socketPair();
  sendAway(other, lingering());
  closeFd(other);
  return receiver;
}

const WAYS: Readonly<Record<string, (channel: RawChannel) => void>> = {
  'the doorbell that it rings': ({ descriptors }) => sendAway(descriptors[2], lingering()),
  'the doorbell at which it waits': ({ descriptors }) => sendAway(descriptors[1], lingering()),
  'the descriptor socket': ({ descriptors }) => sendAway(descriptors[3], lingering()),
  'the descriptor socket, in another socket': ({ descriptors }) =>
    sendAway(descriptors[3], inSocket()),
};

function join(): RawMember {
  const member = RawMember.join(`${scene.place.socketPath}.bus1`);
  expect(member).toBeDefined();
  return member!;
}

describe.each(['registry', 'host', 'native peer'])('the %s', (victim) => {
  test.each(Object.keys(WAYS))(
    'is not delayed by what a member sends over %s',
    async (way) => {
      const target = await scene.processOf(victim);
      const member = join();
      const channel = member.introduce(target, 5000);
      expect(channel).toBeDefined();
      WAYS[way](channel!);
      member.close();
      expect(await scene.rounds(2)).toBeUndefined();
      expect(await scene.verdict()).toBeUndefined();
    },
    TEST_MS,
  );
});

test.each([
  ['a socket', lingering],
  ['a socket in another', inSocket],
])(
  'the authority is not delayed by %s that a member sends behind a frame which is refused',
  async (_what, make) => {
    const member = join();
    whileStopped(scene.pid, () => {
      /* a read ends behind a descriptor (unix(7)), so the rest is not read before the frame is refused */
      member.say(Buffer.from('no JSON'), [member.pageFd]);
      sendAway(member.fd, make());
    });
    expect(await scene.rounds(2)).toBeUndefined();
    member.close();
    expect(await scene.verdict()).toBeUndefined();
  },
  TEST_MS,
);
