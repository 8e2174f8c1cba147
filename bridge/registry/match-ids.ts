/**
 * The ids of a connection's names in the match index, as a list that a search walks. A connection may hold tens of
 * thousands of names and lose them all at once, so none is searched for to be removed.
 */
export class MatchIds {
  readonly list: number[] = [];
  /** by id, where it is in the list; null while there is one id at most, as for most connections */
  private places: Map<number, number> | null = null;

  /** `id` is not in the list. */
  add(id: number): void {
    const { list } = this;
    if (list.length > 0) this.places ??= new Map(list.map((held, place) => [held, place]));
    this.places?.set(id, list.length);
    list.push(id);
  }

  /** `id` is in the list. */
  remove(id: number): void {
    const { list, places } = this;
    const place = list.length === 1 ? list.indexOf(id) : (places?.get(id) ?? -1);
    if (place < 0) throw new RangeError(`no name has the id ${id}`);
    places?.delete(id);
    const last = list.pop();
    if (last === undefined || last === id) return;
    list[place] = last;
    places?.set(last, place);
  }
}
