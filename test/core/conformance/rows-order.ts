import { expect } from 'vitest';
import { ReceivedType } from '#core/index.js';
import { seededRandom } from '../random.js';
import { nodeRelease, text, user, type Row, type Scene } from './scene.js';
import { countMessages, PEERS, ScheduleWriter } from './schedules.js';

const SCHEDULES = Number(process.env['CONFORMANCE_SCHEDULES'] ?? 100_000);

/** C23-C26: what is seen before what. */
export const ORDER_ROWS: readonly Row[] = [
  {
    id: 'C23',
    says: 'causality by bus: what is sent on receipt of a message is seen after that message',
    run: (scene) => play(scene, 'C23', false),
  },
  {
    id: 'C24',
    says: 'causality by side channel: what is sent after awaiting another task is seen after its',
    run: (scene) => play(scene, 'C24', true),
  },
  {
    id: 'C25',
    says: 'messages of one sender to one receiver arrive in order',
    async run(scene) {
      const [receiver, ...senders] = await scene.peers(4);
      const channels = await Promise.all(
        senders.map((sender) => Promise.all([0, 1].map(() => scene.channel(receiver, sender)))),
      );
      await Promise.all(
        senders.map(async (sender, s) => {
          for (let i = 0; i < 100; i++) {
            await sender.send([channels[s][i % 2].handle], { data: [Uint8Array.of(s, i)] });
          }
        }),
      );
      const order: number[][] = senders.map(() => []);
      for (const seen of await scene.drain(receiver)) {
        if (seen.type === ReceivedType.User) order[seen.data[0]].push(seen.data[1]);
      }
      const inOrder = Array.from({ length: 100 }, (_, i) => i);
      expect(order).toEqual(senders.map(() => inOrder));
    },
  },
  {
    id: 'C26',
    says: 'send, then release a node: the message comes before NODE_RELEASE',
    async run(scene) {
      const [sender, receiver] = await scene.peers(2);
      const forth = await scene.channel(receiver, sender);
      const back = await scene.channel(sender, receiver);
      await sender.send([forth.handle], text('last words'));
      await sender.release([back.node]);
      await scene.sees(receiver, user(forth.node, 'last words'), nodeRelease(back.handle));
    },
  },
];

/** Random schedules among peers of which each holds a handle to a node of each (schedules.ts says what they do). */
async function play(scene: Scene, id: string, hasSideChannel: boolean): Promise<void> {
  const random = seededRandom('CONFORMANCE_SEED', `${id}, ${SCHEDULES} schedules`);
  const peers = await scene.domain.openPeers(PEERS);
  const handles: (readonly number[])[] = [];
  for (const from of peers) {
    handles.push(await scene.domain.connect(peers.map((to) => [to, from] as const)));
  }
  const homes = scene.domain.homesOf(peers);
  const writer = new ScheduleWriter(SCHEDULES, homes, random);
  for (let i = 0; i < SCHEDULES; i++) {
    if (hasSideChannel) writer.addSideChannel();
    else writer.addCausal();
  }
  const program = writer.bytes;
  const { messages, crossing } = countMessages(program, homes);
  const report = await scene.domain.perform({ program, hasSideChannel, peers, handles });
  expect(report).toEqual({ failure: null, received: messages });
  process.stdout.write(`${id}: ${messages} messages, ${crossing} of them between processes\n`);
}
