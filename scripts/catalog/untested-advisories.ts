/** An advisory of a peer that no test can repeat here. */
export type UntestedAdvisory = {
  readonly id: string;
  readonly peer: string;
  /** What went wrong at the peer, in one sentence without full stop. */
  readonly fault: string;
  /** Why it cannot happen here, in one sentence without full stop. */
  readonly why: string;
};

/** The advisories of peers that are near to us and reach nothing that the product has. Ordered by id. */
export const untestedAdvisories: readonly UntestedAdvisory[] = [];
