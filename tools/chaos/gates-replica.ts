import type { CopyName } from './ledger.ts';

/** How old an answer of the replica may be in a run (`DATABASE_REPLICA_MAX_AGE_SECONDS`). */
export const REPLICA_MAX_AGE_SECONDS = 15;

/** A list of users with the address of one who had signed up before. */
export type ListAnswer = {
  readonly copy: CopyName;
  readonly status: number;
  /** By its header `As-Of`; null: it is not of the replica. */
  readonly asOfMs: number | null;
  readonly hasUser: boolean;
};

/** While the replica is lost, every list is of the primary. */
export function violationOfLost(answers: readonly ListAnswer[]): string | undefined {
  if (answers.length === 0) return 'no list was asked for while the replica was lost';
  const wrong = answers.find(({ status, asOfMs, hasUser }) => status !== 200 || asOfMs !== null || !hasUser);
  return wrong && `a list of ${wrong.copy} was not of the primary: ${JSON.stringify(wrong)}`;
}
