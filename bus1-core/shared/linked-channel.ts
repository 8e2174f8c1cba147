import type { Channel } from './channel.js';
import type { Link } from './link.js';
import type { LinkInput } from './link-input.js';

/** A link with its channel, as the domain's merge sees it. */
export class LinkedChannel {
  readonly link: Link;
  readonly channel: Channel;
  readonly input: LinkInput;
  /** stamp of the next entry; Infinity for none, -1 when it is not known yet */
  stampNs = -1;
  /** its next entry has to wait for something that will wake this process */
  isBlocked = false;
  /** the other side hung up: what it had committed is still to be delivered */
  hasHungUp = false;
  /** how many more of its entries this run may take */
  sliceLeft = 0;
  /** how much more work of this run its entries may lead to; what is less than nothing counts against the next runs */
  workLeft = 0;
  /** how many runs have gone on with its last entries since it hung up */
  lastRuns = 0;
  /** stamp of the last entry that was taken within its share */
  sliceStampNs = -1;
  /** how many processes this one has named that never existed */
  inventedCount = 0;
  /** where the ring ended when this merge began */
  horizon = 0;

  constructor(link: Link, channel: Channel, input: LinkInput) {
    this.link = link;
    this.channel = channel;
    this.input = input;
  }
}
