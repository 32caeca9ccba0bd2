import type { Marks, ShownState } from '#services/core/ports.ts';

/**
 * The status of a database compared with its high-water mark.
 * `new`: there is no mark. `current`: the database is at the mark or ahead of it. `replaced`: the operator accepted that
 * the database of the mark is lost. `rewound`: the database is behind the mark, or its history is another one.
 */
export type DatabaseStatus = 'new' | 'current' | 'replaced' | 'rewound';

export function databaseStatus(shown: ShownState, marks: Marks | null): DatabaseStatus {
  if (marks === null) return 'new';
  if (shown.incarnation !== marks.incarnation)
    return shown.replaced.includes(marks.incarnation) ? 'replaced' : 'rewound';
  return shown.revocationEpoch < marks.revocationEpoch || shown.beat < marks.beat ? 'rewound' : 'current';
}

/** The higher value of each mark; `next` unchanged when it belongs to another incarnation. */
export function higherMarks(known: Marks | null, next: Marks): Marks {
  if (known === null || known.incarnation !== next.incarnation)
    return { incarnation: next.incarnation, revocationEpoch: next.revocationEpoch, beat: next.beat };
  return {
    incarnation: known.incarnation,
    revocationEpoch: Math.max(known.revocationEpoch, next.revocationEpoch),
    beat: Math.max(known.beat, next.beat),
  };
}
