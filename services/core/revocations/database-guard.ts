import type { DatabaseGuard, MarkStore, Marks } from '#services/core/ports.ts';
import { revocationStateStale, stateRewound } from './contract.ts';
import { type DatabaseStatus, databaseStatus, higherMarks } from './high-water-marks.ts';

/**
 * Compares every transaction and every batch with the newest state that an API copy has seen of its database.
 *
 * After a lost connection the guard is in doubt: the next connection may lead to an older database, and another copy may
 * have seen a newer state. The copy then issues nothing until a poll that was sent after the loss is answered. That poll
 * reads the high-water mark again.
 */
export type PolledGuard = DatabaseGuard & {
  /** Call it when a connection was lost or a statement found an older database. Polls at once, unless already in doubt. */
  doubt(): void;
  /** Call it when the poll itself failed. Starts no poll, because the poll's timer retries. */
  unsettle(): void;
  isInDoubt(): boolean;
  /** How often the guard has come into doubt, for `settle`. */
  doubts(): number;
  /** Ends the first `doubts` doubts: afterwards the marks were read and a poll was answered. */
  settle(doubts: number): void;
  /** Sets the poll that ends doubts. */
  follow(poll: { readonly seen: () => Marks | null; readonly wake: () => Promise<void> }): void;
};

export type HasDatabaseGuard = { readonly databaseGuard: Pick<PolledGuard, 'expected' | 'doubt'> };

export function createPolledGuard(): PolledGuard {
  let doubts = 0;
  let settled = 0;
  let seen = (): Marks | null => null;
  let wake!: () => Promise<void>;
  // Before the first answer the copy serves no request, so there is no state to doubt.
  const isInDoubt = (): boolean => settled < doubts && seen() !== null;

  function unsettle(): void {
    doubts += 1;
  }

  function doubt(): void {
    const isFirst = !isInDoubt();
    unsettle();
    // Only the first doubt polls at once; while the database is unreachable, the poll's timer retries.
    if (isFirst && isInDoubt()) void wake();
  }

  return {
    async expected() {
      if (isInDoubt()) await wake();
      if (isInDoubt()) throw revocationStateStale({ retryAfterSeconds: 1 });
      return seen();
    },
    check(shown, expected) {
      if (shown !== undefined && isCurrent(databaseStatus(shown, expected))) return;
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
 * A guard for a process without a state poll. It compares the database with the high-water marks, which it reads before
 * the first transaction and again after each lost connection, and with the newest state its own transactions returned.
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
      const status = shown && databaseStatus(shown, expected);
      if (shown === undefined || status === 'rewound') {
        doubts += 1;
        throw stateRewound({ retryAfterSeconds: 30 });
      }
      // A transaction that began before an operator accepted a loss may end after one that began later.
      if (status === 'replaced' || seen === null || seen.incarnation === shown.incarnation)
        seen = higherMarks(seen, shown);
    },
    doubt() {
      doubts += 1;
    },
  };
}

const isCurrent = (status: DatabaseStatus): boolean => status === 'current' || status === 'new';

/**
 * SQL that returns `is_known` in one row: whether the database is at the state that this copy has seen of it, or ahead.
 * A statement that includes it needs no second round trip. Test for `IS NOT TRUE`: without its row the result is null.
 * @param placeholders those of `seenValues`: incarnation, revocation epoch and beat
 */
export const databaseIsKnown = ([incarnation, epoch, beat]: readonly [string, string, string]): string =>
  `SELECT ${incarnation}::uuid IS NULL OR (incarnation = ${incarnation}::uuid AND revocation_epoch >= ${epoch}::int8
    AND beat >= ${beat}::int8) AS is_known FROM feed_state WHERE id`;

/** Values of the placeholders; all null before this copy has seen a state. */
export const seenValues = (seen: Marks | null): readonly unknown[] =>
  seen === null ? [null, null, null] : [seen.incarnation, seen.revocationEpoch, seen.beat];
