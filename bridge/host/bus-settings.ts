import { existsSync } from 'node:fs';

import { Slot } from '#core/index.js';
import { closeFd, duplicate } from '#core/linux/index.js';
import type { BusSettings, ReloadFailure } from '#bridge/driver/bus-settings.js';
import type { Connection } from '#bridge/registry/connection.js';
import { ruleLocation } from '#policy/index.js';

import { blame } from './blame.js';
import { hostStatus } from './figures.js';
import type { Host } from './host.js';
import { noteDenial, signalMissed } from './refusals.js';

/** The settings and functions that a host supplies to its driver. */
export function busSettings(host: Host): BusSettings {
  const { guid, machineId, uid, pid } = host.options;
  return {
    guid,
    machineId,
    uid,
    pid,
    get limits() {
      return host.limits;
    },
    hasSeLinux: existsSync('/sys/fs/selinux/enforce'),
    get features() {
      return [...host.activator.features, 'HeaderFiltering'].toSorted();
    },
    get activator() {
      return host.activator;
    },
    get attached() {
      return host.attachment?.driverSide;
    },
    reloadConfig: (caller, done) => {
      host.diagnostics.report(caller, 'info', 'ReloadConfig was called');
      host.reloads.add(done);
    },
    mayOwn: (connection, name) => ownDenial(host, connection, name),
    denied: (connection, { fields }) => noteDenial(host, connection, fields),
    counted: (connection, fields) => host.denials.note(connection, fields, Date.now()),
    denials: () => host.denials.list(),
    missed: (inbox, sender, message) => signalMissed(host, inbox, sender, message),
    blame: (origin, connection, error) => blame(host, origin, connection, error),
    isPrivileged: ({ credentials }) => credentials.uid === 0 || credentials.uid === uid,
    status: () => hostStatus(host),
    incompleteConnections: () => host.entrance.lobby.size,
    figures: () => hostFigures(host),
    userAccounting: () => userAccounting(host),
    after: (delayMs, action) => void host.at(performance.now() + delayMs, action),
    duplicateDescriptor: (fd) => duplicateOrNone(fd),
    closeDescriptor: closeFd,
  };
}

function hostFigures(host: Host): Readonly<Record<string, number>> {
  const { counters } = host.domain;
  return {
    'Heap.UsedBytes': process.memoryUsage().heapUsed,
    'Arena.UsedBytes': host.arena.usedBytes,
    'Core.Transactions': counters.transactions,
    'Core.Messages': counters.messages,
    'Core.NodeReleases': counters.nodeReleases,
    'Core.HandleReleases': counters.handleReleases,
    'Core.OneShotsMade': counters.oneShotsMade,
    'Core.OneShotsConsumed': counters.oneShotsConsumed,
    'Core.Peers': counters.peers,
    'Core.Nodes': counters.nodes,
    'Core.Handles': counters.handles,
    'Core.Charged': host.domain.chargedTo(host.allUsers()),
    'Policy.FacetChecks': host.facetChecks,
    'Policy.FacetsCompiled': host.grants.compiled,
  };
}

function userAccounting(host: Host): readonly unknown[] {
  const figures = (used: (slot: Slot) => number): bigint[] =>
    [Slot.Objects, Slot.Bytes, Slot.Descriptors].map((slot) => BigInt(used(slot)));
  return [...host.allUsers()].map((user) => [
    user.uid >>> 0,
    ...figures((slot) => user.used(slot)),
    [...user.claimants()].map((claim) => [
      claim.claimantUid >>> 0,
      ...figures((slot) => claim.used(slot)),
    ]),
  ]);
}

function duplicateOrNone(fd: number): number | undefined {
  try {
    return duplicate(fd);
  } catch {
    return undefined;
  }
}

function ownDenial(host: Host, connection: Connection, name: string): { text: string } | undefined {
  const verdict = connection.policy?.canOwn(name);
  if (verdict === undefined || verdict.allowed) return undefined;
  const { rule } = verdict;
  const why = rule === undefined ? 'no rule allows it' : `rule at ${ruleLocation(rule)}`;
  const location = rule !== undefined && { rule: ruleLocation(rule) };
  host.denials.note(connection, { why, message: `own="${name}"`, ...location }, Date.now());
  host.diagnostics.report(connection, 'notice', 'name denied by policy', () => ({
    wanted: name,
    why,
    ...location,
  }));
  return {
    text:
      `Connection "${connection.uniqueName}" is not allowed to own the service "${name}" ` +
      `due to security policies in the configuration file (${why})`,
  };
}

/** Called when the configuration has been reread; with the reason if it could not be used. */
export type ReloadDone = (failure: ReloadFailure | undefined) => void;

/**
 * Callers that wait until the control plane has reread the configuration. There is one request to it at a time: all who
 * call meanwhile share the next, so that calls without end make no queue without end.
 */
export class ReloadRequests {
  private readonly ask: () => void;
  private asked: ReloadDone[] = [];
  private later: ReloadDone[] = [];

  constructor(ask: () => void) {
    this.ask = ask;
  }

  add(done: ReloadDone): void {
    /* what a reload under way has read may be older than this call */
    if (this.asked.length > 0) return void this.later.push(done);
    this.asked.push(done);
    this.ask();
  }

  answer(failure: ReloadFailure | undefined): void {
    const answered = this.asked;
    this.asked = this.later;
    this.later = [];
    if (this.asked.length > 0) this.ask();
    for (const done of answered) done(failure);
  }
}
