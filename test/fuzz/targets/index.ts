import type { Target } from '../target.js';
import { driver } from './driver.js';
import { frames } from './frames.js';
import { mappings } from './mappings.js';
import { policy } from './policy.js';
import { rings } from './rings.js';
import { sasl } from './sasl.js';
import { wire } from './wire.js';

export const TARGETS: Readonly<Record<string, Target>> = {
  rings,
  frames,
  wire,
  sasl,
  policy,
  mappings,
  driver,
};
