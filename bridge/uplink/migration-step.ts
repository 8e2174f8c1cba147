/** How far a migration has got. */
const STEPS = [
  /** waits for a client to request the name on the bus that it moves to; the present owner still has it */
  'waiting',
  /** a client has requested it */
  'candidate',
  /** the present owner does not allow replacement: it has to release the name itself */
  'queued',
  /** the present owner has released it there, so that a client that does not queue can request it */
  'released',
  /** the name has changed hands on the existing bus */
  'switched',
] as const;
export type MigrationStep = (typeof STEPS)[number];

export function isMigrationStep(text: string): text is MigrationStep {
  return STEPS.some((each) => each === text);
}
