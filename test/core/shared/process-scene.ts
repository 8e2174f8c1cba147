import { ReceivedType } from '#core/index.js';
import type { ConformanceReceived } from '../conformance/domain.js';
import { CREATE } from '../conformance/scene.js';
import { MemberProcess } from './member-process.js';
import { ProcessConformanceDomain, type ProcessPeer } from './process-domain.js';

const MAXIMA = { objects: 2 ** 20, bytes: 2 ** 26, descriptors: 2 ** 12 };

export interface ProcessScene {
  readonly domain: ProcessConformanceDomain;
  readonly processes: readonly MemberProcess[];
  /** one in each process */
  readonly peers: readonly ProcessPeer[];
}

/** A domain of that many processes, of which only these know each other. */
export async function openScene(
  count: number,
  acquaintances?: readonly (readonly [number, number])[],
): Promise<ProcessScene> {
  const processes = Array.from({ length: count }, () => new MemberProcess());
  const domain = await ProcessConformanceDomain.open(processes, MAXIMA, false, acquaintances);
  const peers: ProcessPeer[] = [];
  for (const home of processes.keys()) peers.push(await domain.openPeerIn(home));
  return { domain, processes, peers };
}

/** Ends all processes, also those that are stopped. */
export async function endScene({ processes }: ProcessScene): Promise<void> {
  for (const process of processes) {
    process.child.kill('SIGCONT');
    await process.end('SIGKILL');
  }
}

/** A new node of `owner`, and a handle to it. */
export async function channel(owner: ProcessPeer, holder: ProcessPeer) {
  const { source, target } = await owner.transfer(holder, [CREATE]);
  return { node: source[0], handle: target[0] };
}

export async function nextOf(peer: ProcessPeer): Promise<ConformanceReceived> {
  for (;;) {
    const next = await peer.receive();
    if (next !== undefined) return next;
  }
}

/** The handle that came with the next message. */
export async function handleOf(peer: ProcessPeer): Promise<number> {
  const next = await nextOf(peer);
  if (next.type !== ReceivedType.User || !('transfers' in next)) throw new Error('no message');
  return next.transfers[0];
}

/** A release that waits for nobody: some of the processes may be gone. */
export async function releaseHere({ process, id }: ProcessPeer, handle: number): Promise<void> {
  await process.request('release', { id, ids: [handle] });
}

/** What a process has in all, including what stands for other processes. */
export async function resourcesOf(peer: ProcessPeer): Promise<Record<string, number>> {
  return await peer.process.request('resources');
}
