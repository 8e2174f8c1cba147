/**
 * The capability core: peers, nodes, handles and transactions, as BUS1 defines them (docs/bus1-core.md). It knows
 * nothing of D-Bus.
 */
export { DescriptorSet } from './descriptors.js';
export { Bus1Code, Bus1Error } from './errors.js';
export type { Handle } from './handle.js';
export { LocalDomain, type DomainCounters, type RemoteParticipant } from './local-domain.js';
export { Message, NewNode, type GatherArea } from './message.js';
export type { Node } from './node.js';
export { SendStatus, type NewChannel, type Peer, type PeerOptions } from './peer.js';
export {
  INVALID_ID,
  MessageTooBig,
  PeerById,
  TRANSFER_CREATE,
  TRANSFER_ONE_SHOT,
  type CommandOptions,
  type OutgoingById,
  type ReceivedById,
  type ReceiveSpace,
  type TransferEntry,
} from './peer-by-id.js';
export { ReceivedType, type Received } from './queue.js';
export { CLOSED_SINK } from './sink.js';
export {
  ResourceUser,
  Slot,
  type Claim,
  type DischargeListener,
  type Maxima,
  type Trace,
  isWithinShare,
} from './quota.js';
export type { Sink } from './sink.js';
