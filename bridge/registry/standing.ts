import type { ClientPolicy, Party } from '#policy/index.js';

/**
 * All that the policy knows of a connection: the rules for its user and groups, and those of its names that some rule
 * mentions. Connections that agree in both share one, so what is decided for one of a user's clients holds for all.
 */
export interface Standing extends Party {
  readonly policy: ClientPolicy | undefined;
}

/** An object with a standing, which changes with the policy and with the names that it owns or waits for. */
export interface Subject {
  readonly names: ReadonlySet<string>;
  standing: Standing;
}

/** The standing of a connection that the policy has not classified yet. */
export const NO_STANDING: Standing = { policy: undefined, names: new Set() };
