import { EXTENSION_ROWS } from './rows-extensions.js';
import { LIFETIME_ROWS } from './rows-lifetime.js';
import { MESSAGE_ROWS } from './rows-message.js';
import { OBJECT_ROWS } from './rows-object.js';
import { ORDER_ROWS } from './rows-order.js';
import { QUOTA_ROWS } from './rows-quota.js';
import type { Row } from './scene.js';

/** The whole table: C rows are BUS1 as its manual page has it, X rows are the extensions. */
export const ROWS: readonly Row[] = [
  ...OBJECT_ROWS,
  ...MESSAGE_ROWS,
  ...LIFETIME_ROWS,
  ...ORDER_ROWS,
  ...QUOTA_ROWS,
  ...EXTENSION_ROWS,
].toSorted((a, b) => a.id.localeCompare(b.id));
