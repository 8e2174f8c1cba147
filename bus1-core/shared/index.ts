/** The domain across processes (docs/shared-domain.md). */
export { Authority } from './authority.js';
export type { AdmitOptions, Applicant, AuthorityOptions } from './authority.js';
export { SharedDomain } from './shared-domain.js';
export type { JoinOptions, SharedCounters } from './join-options.js';
export type { ProcessIdentity } from './link.js';
export { ChannelError } from '../errors.js';
export { parseLookUs, Patience } from './patience.js';
