const LAST = 0xffff_ffff;

/** The serials that one sender gives to its messages: from `first` to the last, and again; never 0, which is none. */
export class Serials {
  private readonly first: number;
  private last: number;

  constructor(first = 1) {
    this.first = first;
    this.last = first - 1;
  }

  // hot
  next(): number {
    this.last = this.last === LAST ? this.first : this.last + 1;
    return this.last;
  }
}
