import type { ConnectionFigures } from '#bridge/registry/connection.js';

import type { Shim } from './shim.js';

/** The figures of a connection for the statistics. */
export function figuresOf(shim: Shim): ConnectionFigures {
  return {
    incomingMessages: shim.incomingMessages,
    incomingBytes: shim.incomingBytes,
    outgoingMessages: shim.outgoingMessages,
    outgoingBytes: shim.outgoingBytes,
    waitingIncomingBytes: shim.inflow.waitingBytes,
    waitingIncomingDescriptors: shim.inflow.descriptorCount,
    waitingOutgoingMessages: shim.outbox.pendingMessages,
    waitingOutgoingBytes: shim.outbox.pendingBytes,
    waitingOutgoingDescriptors: shim.outbox.pendingDescriptors,
    peakOutgoingBytes: shim.backlog.peakBytes,
    pendingCalls: shim.pendingCalls,
    owedReplies: shim.replies.size,
    destinations: shim.destinations.size,
  };
}
