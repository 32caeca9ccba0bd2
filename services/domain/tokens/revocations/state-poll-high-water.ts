import type { Marks, ShownState } from '#services/domain/ports.ts';

/**
 * The status of a database against its high-water mark.
 * `new`: there is no mark. `current`: at the mark or ahead. `replaced`: the operator accepted the loss of what it names.
 * `rewound`: behind the mark, or of another history.
 */
export type Standing = 'new' | 'current' | 'replaced' | 'rewound';

export function standingOf(shown: ShownState, marks: Marks | null): Standing {
  if (marks === null) return 'new';
  if (shown.incarnation !== marks.incarnation)
    return shown.replaced.includes(marks.incarnation) ? 'replaced' : 'rewound';
  return shown.revocationEpoch < marks.revocationEpoch || shown.beat < marks.beat ? 'rewound' : 'current';
}

/** The higher of each; `next` alone when it tells of another incarnation. */
export function higherMarks(held: Marks | null, next: Marks): Marks {
  if (held === null || held.incarnation !== next.incarnation) {
    return { incarnation: next.incarnation, revocationEpoch: next.revocationEpoch, beat: next.beat };
  }
  return {
    incarnation: held.incarnation,
    revocationEpoch: Math.max(held.revocationEpoch, next.revocationEpoch),
    beat: Math.max(held.beat, next.beat),
  };
}
