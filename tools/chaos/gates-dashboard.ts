import type { CopyName } from './ledger.ts';

/** How long the dashboard may call figures fresh (`STALE_SECONDS`), with a second for the request. */
const FRESH_MOST_MS = 51_000;

/** An answer of `GET /v1/admin/dashboard`. Both times are of the database's clock; null without figures. */
export type DashboardAnswer = {
  readonly copy: CopyName;
  readonly status: number;
  /** Of its part `security`. */
  readonly state: string | null;
  readonly countedAtMs: number | null;
  /** When it was read. */
  readonly readAtMs: number | null;
};

/** While nothing is counted, no answer may say that its figures are of a later time, nor call old ones fresh. */
export function violationOfUncounted(answers: readonly DashboardAnswer[], since: number): string | undefined {
  if (answers.length === 0) return 'no dashboard was asked for while nothing was counted';
  const wrong = answers.find(({ status, state, countedAtMs, readAtMs }) => {
    if (status !== 200 || countedAtMs === null || readAtMs === null) return true;
    return countedAtMs > since || (state === 'fresh' && readAtMs - countedAtMs > FRESH_MOST_MS);
  });
  return wrong && `the dashboard of ${wrong.copy} hides its age: ${JSON.stringify(wrong)}`;
}

/** Without its database a copy refuses the dashboard by 503, and shows no figures as if they were of now. */
export function violationOfUnread(answers: readonly DashboardAnswer[]): string | undefined {
  if (!answers.some(({ status }) => status === 503)) return 'no dashboard was refused while the database was away';
  const wrong = answers.find(({ status }) => status !== 503 && status !== 0);
  return wrong && `${wrong.copy} answered without its database: ${JSON.stringify(wrong)}`;
}
