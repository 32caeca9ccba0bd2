import type { DatabaseGuard, MarkStore, Marks } from '#services/domain/ports.ts';
import { revocationStateStale, stateRewound } from './revocations-contract.ts';
import { higherMarks, standingOf } from './state-poll-high-water.ts';

/**
 * The newest state that an API copy has seen of its database. Every transaction and every batch is compared with it.
 *
 * A lost connection is a doubt: the next connection may lead to an older database, and another copy may have seen a newer
 * state. Nothing is issued until a poll sent after it is answered; that poll reads the high-water mark again.
 */
export type PolledGuard = DatabaseGuard & {
  /** A connection was lost, or a statement found an older database; polls at once unless that is under way. */
  doubt(): void;
  /** A doubt of the poll itself, which tries again by its own timer. */
  unsettle(): void;
  isInDoubt(): boolean;
  /** Doubts so far, for `settle`. */
  doubts(): number;
  /** The marks were read and a poll was answered after so many doubts. */
  settle(doubts: number): void;
  /** Connects it with the poll. */
  follow(poll: { readonly seen: () => Marks | null; readonly wake: () => Promise<void> }): void;
};

export type HasDatabaseGuard = { readonly databaseGuard: Pick<PolledGuard, 'expected' | 'doubt'> };

export function createPolledGuard(): PolledGuard {
  let doubts = 0;
  let settled = 0;
  let seen = (): Marks | null => null;
  let wake!: () => Promise<void>;
  // Before the first answer there is nothing to doubt: no request is served by then.
  const isInDoubt = (): boolean => settled < doubts && seen() !== null;

  function unsettle(): void {
    doubts += 1;
  }

  function doubt(): void {
    const isFirst = !isInDoubt();
    unsettle();
    // Once: while the database is unreachable the poll's own timer retries.
    if (isFirst && isInDoubt()) void wake();
  }

  return {
    async expected() {
      if (isInDoubt()) await wake();
      if (isInDoubt()) throw revocationStateStale({ retryAfterSeconds: 1 });
      return seen();
    },
    check(shown, expected) {
      if (shown !== undefined && isCurrent(standingOf(shown, expected))) return;
      doubt();
      throw stateRewound({ retryAfterSeconds: 30 });
    },
    doubt,
    unsettle,
    isInDoubt,
    doubts: () => doubts,
    settle(answered) {
      settled = Math.max(settled, answered);
    },
    follow(poll) {
      ({ seen, wake } = poll);
    },
  };
}

/**
 * For a process without a poll: it holds the database to the marks, which it reads before its first transaction and
 * again after each lost connection, and to what its own transactions have shown.
 */
export function createMarkedGuard(marks: Pick<MarkStore, 'read'>): DatabaseGuard & { doubt(): void } {
  let seen: Marks | null = null;
  let doubts = 1;
  let settled = 0;
  return {
    async expected() {
      if (settled < doubts) {
        const answered = doubts;
        const stored = await marks.read();
        if (stored !== null) seen = higherMarks(seen, stored);
        settled = answered;
      }
      return seen;
    },
    check(shown, expected) {
      const standing = shown && standingOf(shown, expected);
      if (shown === undefined || standing === 'rewound') {
        doubts += 1;
        throw stateRewound({ retryAfterSeconds: 30 });
      }
      // A transaction that began before an accepted loss may answer after one that saw it.
      if (standing === 'replaced' || seen === null || seen.incarnation === shown.incarnation)
        seen = higherMarks(seen, shown);
    },
    doubt() {
      doubts += 1;
    },
  };
}

const isCurrent = (standing: ReturnType<typeof standingOf>): boolean => standing === 'current' || standing === 'new';
