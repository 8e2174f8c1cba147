import type { Connection } from '#bridge/registry/connection.js';
import { denialOf } from '#bridge/registry/denial.js';
import type { MessageHeader } from '#bridge/wire/header.js';
import type { Facet } from '#policy/index.js';

import type { BusSettings } from './bus-settings.js';

/** Counts and logs a message that `facet` has just refused to `sender`; returns the text of the error for it. */
export function reportDenial(
  settings: BusSettings,
  sender: Connection,
  facet: Facet,
  header: MessageHeader,
): string {
  const denial = denialOf(facet, header);
  settings.denied(sender, denial);
  return denial.why;
}
