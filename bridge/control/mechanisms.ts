import { MECHANISMS, isMechanismName, type MechanismName } from '#bridge/sasl/mechanism.js';
import type { BusConfig } from '#policy/index.js';
import { StartupError } from './startup-error.js';

/**
 * The mechanisms on offer: all that are known unless <auth> names some. ANONYMOUS is offered only
 * where <allow_anonymous/> lets its users in.
 */
export function mechanismsOf(config: BusConfig): MechanismName[] {
  const { auth, allowAnonymous } = config;
  const named = auth.length === 0 ? MECHANISMS : auth.filter(isMechanismName);
  const offered = named.filter((name) => name !== 'ANONYMOUS' || allowAnonymous);
  if (offered.length > 0) return offered;
  const todo = `name one of ${MECHANISMS.join(', ')}, the last with <allow_anonymous/>`;
  const message = `no client could authenticate by <auth>${auth.join('</auth><auth>')}</auth>; ${todo}`;
  throw new StartupError('no-mechanism', message);
}
