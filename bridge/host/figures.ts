import type { ConnectionFigures } from '#bridge/registry/connection.js';
import type { HostStatus } from '#bridge/registry/host-report.js';

import type { Host } from './host.js';
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

/** The present counts of a host. */
export function hostStatus(host: Host): HostStatus {
  const { domain, peers } = host;
  const here = peers === null ? domain.counters : peers.shared.counts();
  return {
    process: peers?.shared.id ?? 0,
    pid: process.pid,
    connections: host.connected.size,
    peers: here.peers,
    nodes: here.nodes,
    handles: here.handles,
    channels: peers?.shared.counters.channels ?? 0,
    messages: domain.counters.messages,
    facetsCompiled: host.grants.compiled,
    facetChecks: host.facetChecks,
  };
}
