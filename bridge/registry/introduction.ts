import type { FacetData } from '#policy/index.js';

/** What the registry tells a native peer about a sender in another process. */
export interface Introduction {
  /** unique */
  readonly name: string;
  readonly process: number;
  /** the facets that check its calls and signals, and its replies; null: none has to be checked */
  readonly facet: FacetData | null;
  readonly replyFacet: FacetData | null;
}

export function encodeIntroduction(introduction: Introduction): string {
  return JSON.stringify(introduction);
}

/** Only from the bus itself, which native peers trust: this type is that of its `encodeIntroduction`. */
export function decodeIntroduction(text: string): Introduction {
  return JSON.parse(text);
}
