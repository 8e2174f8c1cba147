import { SendStatus, type Handle, type Message, type Peer } from '#core/index.js';

/** What knows the quotas of receivers in other processes. */
export interface Quotas {
  /** Takes in what other processes have given back; false: there are no other processes. */
  refreshQuotas(): boolean;
}

/**
 * Sends a message again that was over quota: what another process has given back is known here only after its entries
 * have been read. The first try stays with the caller, so that a message that finds room costs no further call.
 */
export function secondTry<NodeContext>(
  peer: Peer<NodeContext>,
  handle: Handle,
  message: Message<unknown, NodeContext>,
  quotas: Quotas,
): SendStatus {
  return quotas.refreshQuotas() ? peer.send(handle, message) : SendStatus.OverQuota;
}
