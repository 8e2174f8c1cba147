import { SendStatus } from '#core/index.js';
import { ErrorName, ErrorText } from '#bridge/wire/standard-errors.js';

/** A send that has sent nothing. */
export type Unsent = Exclude<SendStatus, typeof SendStatus.Sent>;

/** The error for the sender of a message that could not be sent: name and text. */
export type SendFailure = readonly [errorName: string, text: string];

const FAILURES: Readonly<Record<Unsent, SendFailure>> = {
  [SendStatus.BadHandle]: [ErrorName.NameHasNoOwner, 'The destination has left the bus'],
  [SendStatus.OverQuota]: [ErrorName.LimitsExceeded, ErrorText.fullQueue],
  [SendStatus.NoDescriptors]: [ErrorName.NotSupported, ErrorText.takesNoDescriptors],
};

/** What a sender is told, whoever sends for it. */
export function failureOf(status: Unsent): SendFailure {
  return FAILURES[status];
}

/** For a sender that has used up its share of what may wait for one connection. `limit`: its name and value. */
export function shareUsedUp(limit: string, uid: number | undefined): string {
  return `${ErrorText.fullQueue} (${limit}): uid ${uid ?? 'unknown'} has used up its share of it`;
}

/** For a sender whose user has used up its share of what may wait for all connections of a user. */
export function userShareUsedUp(limits: string, uid: number, receiverUid: number): string {
  return `${ErrorText.fullQueue}: uid ${receiverUid} has no room left for uid ${uid} (${limits}, shared out)`;
}
