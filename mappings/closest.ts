/** The candidate that `word` may be a misspelling of, if there is one. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .toSorted((a, b) => a.distance - b.distance);
  const [best] = ranked;
  return best !== undefined && best.distance <= Math.min(3, Math.ceil(word.length / 3))
    ? best.candidate
    : undefined;
}

/** How many letters have to be changed, added or removed. */
function editDistance(one: string, other: string): number {
  // distances between the letters of `one` so far and the first 1, 2, ... letters of `other`
  let row = Array.from({ length: other.length }, (_, index) => index + 1);
  let last = other.length;
  for (const [i, letter] of one.split('').entries()) {
    let before = i;
    last = i + 1;
    row = row.map((above, j) => {
      const change = before + (letter === other[j] ? 0 : 1);
      before = above;
      last = Math.min(change, above + 1, last + 1);
      return last;
    });
  }
  return last;
}
