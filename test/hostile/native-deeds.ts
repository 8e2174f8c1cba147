import { writeSync } from 'node:fs';
import { getuid, setNonBlocking } from '#core/linux/index.js';
import { Control, encode } from '#bridge/registry/control-message.js';
import { Entry, messageTo, ROOT_ID, words, type RawChannel } from '../fuzz/raw-channel.js';
import type { RawMember } from '../fuzz/raw-member.js';

/** What a member of the domain does to another process, over and over. */
export type NativeDeed = (channel: RawChannel, member: RawMember) => void;

let counter = 0;

function fill(channel: RawChannel, type: number, body: () => Uint8Array): void {
  for (let i = 0; i < 20_000 && channel.write(type, body()); i++);
  channel.commit();
}

const DATA = new Uint8Array(32);
const ADMIT = encode(Control.Admit, { takesDescriptors: true, credentials: undefined });

export const NATIVE_DEEDS: Readonly<Record<string, NativeDeed>> = {
  'a claim that is cut at the end of the ring': (channel) => {
    const toEnd = channel.capacity - (channel.head & (channel.capacity - 1));
    for (let left = toEnd - 24; left >= 32; left -= 32) channel.write(Entry.Ask, words(0, 0));
    channel.write(Entry.Claim, new Uint8Array(0), { length: 24 });
    channel.commit();
  },
  'entries of every length': (channel) => {
    for (let length = 0; length < 96; length += 4) {
      channel.write(1 + (length % 11), new Uint8Array(24), { length });
    }
    channel.commit();
  },
  'a head that is out of range': (channel) => {
    channel.setWord(0, 0x7654_3210);
    channel.ring();
  },
  'claims without end': (channel) =>
    fill(channel, Entry.Claim, () => words(2, ++counter, 0x8000_0000 + counter, 0)),
  'grants that nobody claims': (channel) => {
    fill(channel, Entry.Grant, () => words(ROOT_ID, 2, ++counter, 0));
  },
  'handles that it has granted to itself': (channel, { id }) => {
    for (let i = 0; i < 20_000; i++) {
      channel.write(Entry.Grant, words(ROOT_ID, id, ++counter, 0));
      if (!channel.write(Entry.Claim, words(id, counter, 0x8000_0000 + counter, 0))) break;
    }
    channel.commit();
  },
  'windows of every user': (channel) =>
    fill(channel, Entry.Window, () => words(++counter, 1, 1, 0, 0, 0, 0, 0)),
  'questions for room without end': (channel) => fill(channel, Entry.Ask, () => words(0, 0)),
  'traces without end': (channel) => fill(channel, Entry.TraceEnd, () => words(++counter, 0)),
  'messages that it reads no answer to': (channel) => {
    const inbox = [1, ++counter, getuid(), 0, 0x101, ++counter, getuid(), 0];
    fill(channel, Entry.Message, () => messageTo(ROOT_ID, ADMIT, inbox));
  },
  'nodes of processes that do not exist': (channel) =>
    fill(channel, Entry.Message, () =>
      messageTo(ROOT_ID, DATA, [3, ++counter, getuid(), 1_000_000 + counter]),
    ),
  'nodes without end': (channel) =>
    fill(channel, Entry.Message, () =>
      messageTo(ROOT_ID, DATA, [1, ++counter, ++counter, 0, 1, ++counter, counter, 0]),
    ),
  'messages with very many handles': (channel) => {
    const node = (): number[] => [1, ++counter, getuid(), 0];
    for (const count of [4096, 64, 1000, 4096]) {
      const nodes = Array.from({ length: count }, node).flat();
      channel.write(Entry.Message, messageTo(ROOT_ID, DATA, nodes));
    }
    channel.commit();
    channel.read();
  },
  'a doorbell that is made to block': (channel) => {
    for (const fd of [channel.descriptors[1], channel.descriptors[2]]) {
      setNonBlocking(fd, true);
      try {
        for (let i = 0; i < 10_000; i++)
          writeSync(fd, Uint8Array.of(0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff));
      } catch {
        // It is full now.
      }
      setNonBlocking(fd, false);
    }
    channel.write(Entry.Message, messageTo(ROOT_ID, DATA));
    channel.commit();
  },
  'rings that grow without end': (channel) => {
    if (channel.capacity < 1 << 24)
      channel.switchTo(channel.capacity * 2, channel.capacity * 2 + 256, 7);
    fill(channel, Entry.Ask, () => words(0, 0));
  },
  'descriptors without end': (channel) => {
    for (let i = 0; i < 200; i++)
      channel.sendDescriptors([channel.descriptors[0], channel.descriptors[0]]);
  },
  'introductions without end': (_channel, member) => {
    for (let peer = 1; peer < 200; peer++) member.say({ kind: 'introduce', peer });
    member.pump(0);
  },
  'descriptors for the authority without a frame': (_channel, member) => {
    const half = Buffer.from('half a frame');
    const descriptors = Array<number>(60).fill(member.pageFd);
    member.say(half, descriptors, { length: 1000, count: descriptors.length });
  },
};
