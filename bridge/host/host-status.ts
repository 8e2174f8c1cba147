import type { HostStatus } from '#bridge/registry/host-report.js';

import type { Host } from './host.js';

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
