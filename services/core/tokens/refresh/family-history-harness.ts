import type pg from 'pg';
import { rowsOf } from '../../../../tools/testing/harness/ports.ts';
import { type ModelFamily, type ModelPolicy, presentToModel } from './family-model-harness.ts';

/** One presented token as its client saw it; `done` is null where no answer came. Clock: one count for all events. */
export type Attempt = {
  readonly familyId: string;
  readonly kv: number;
  readonly newestKv: number;
  readonly sent: number;
  done: number | null;
  /** The outcome or the code of the refusal. */
  outcome: string | null;
};

type OutboxRow = {
  readonly type: string;
  readonly outcome: string;
  readonly family: string | null;
  readonly user: string | null;
  readonly generation: number | null;
  readonly reason: string | null;
  readonly context: string | null;
  readonly trace: string | null;
};

const CODES: Readonly<Record<string, readonly string[]>> = {
  rotated: ['rotated'],
  grace: ['grace'],
  lost_answer: ['lost_answer'],
  stale_copy: ['stale_copy'],
  grace_spent: ['refresh_grace_spent'],
  replay: ['refresh_token_reused'],
  revoked: ['refresh_token_reused', 'session_ended'],
  ahead: ['session_ended'],
};

export type HistoryFault = string;

const newModel = (): ModelFamily => ({
  copiesMs: 0,
  hasKey: false,
  network: null,
  marks: [],
  copyUses: 0,
  generation: 0,
  rotatedAt: 0,
  graceUses: 0,
  graceStreak: 0,
  isContested: false,
  context: null,
  kv: 1,
  prevKv: 1,
  revokeReason: null,
  idleExpiresAt: Number.POSITIVE_INFINITY,
  expiresAt: Number.POSITIVE_INFINITY,
});

async function readOutbox(pool: pg.Pool): Promise<OutboxRow[]> {
  const rows = await rowsOf(pool)<OutboxRow>`
    SELECT type, outcome, CASE target_kind WHEN 'family' THEN target_id END AS family,
      CASE target_kind WHEN 'user' THEN target_id END AS user, (detail->>'generation')::int AS generation,
      detail->>'reason' AS reason, ip_hash || agent_hash AS context, substr(traceparent, 4, 32) AS trace
    FROM audit_outbox WHERE type LIKE 'token.%' OR type = 'user.tokens_revoked' ORDER BY id`;
  return rows;
}

/**
 * Replays the outbox in id order, which is the order of the row locks, through the model, and compares every outcome,
 * answer, final row, revocation and the order of real time. Returns what does not fit, or nothing.
 */
export async function faultsOfHistory(
  pool: pg.Pool,
  attempts: ReadonlyMap<string, Attempt>,
  userOf: ReadonlyMap<string, string>,
  policy: ModelPolicy,
): Promise<HistoryFault[]> {
  const faults: HistoryFault[] = [];
  const models = new Map([...userOf.keys()].map((familyId) => [familyId, newModel()]));
  const begun = new Set<string>();
  /** By name, which writes a revocation of its own. */
  const ended = new Set<string>();
  const written = new Set<string>();
  const newestSent = new Map<string, number>();
  for (const row of await readOutbox(pool)) {
    if (row.type === 'user.tokens_revoked') {
      for (const familyId of begun) {
        const model = models.get(familyId) as ModelFamily;
        if (userOf.get(familyId) === row.user) model.revokeReason ??= row.reason;
      }
      continue;
    }
    const model = models.get(row.family as string);
    if (model === undefined) faults.push(`a row of an unknown family: ${row.type}`);
    else if (row.type === 'token.family_created') begun.add(row.family as string);
    else if (row.type === 'token.family_ended') {
      model.revokeReason ??= row.reason;
      ended.add(row.family as string);
    } else faults.push(...faultsOfRow(row, model));
  }
  for (const [trace, attempt] of attempts) {
    const isAnswered = attempt.outcome !== null && attempt.outcome !== 'refresh_token_invalid';
    if (isAnswered && !written.has(trace)) faults.push(`${attempt.outcome} was answered without a row`);
  }
  faults.push(...(await faultsOfRows(pool, models, ended)));
  return faults;

  function faultsOfRow(row: OutboxRow, model: ModelFamily): HistoryFault[] {
    const trace = row.trace as string;
    const attempt = attempts.get(trace);
    if (attempt === undefined || attempt.familyId !== row.family) return [`a row without a request: ${row.outcome}`];
    const found: HistoryFault[] = [];
    if (written.has(trace)) found.push(`two rows of one request: ${row.outcome}`);
    written.add(trace);
    const request = {
      generation: row.generation as number,
      kv: attempt.kv,
      fits: true,
      context: row.context,
      network: null,
    };
    const outcome = presentToModel(model, request, 0, policy, attempt.newestKv);
    if (outcome !== row.outcome) found.push(`${row.outcome} where one at a time gives ${outcome}`);
    if (attempt.outcome !== null && CODES[row.outcome]?.includes(attempt.outcome) !== true)
      found.push(`${row.outcome} was written, ${attempt.outcome} answered`);
    // Answered before another was sent, yet after it in the log: the log is not the order of events.
    const newest = newestSent.get(attempt.familyId) ?? -1;
    if (attempt.done !== null && attempt.done < newest) found.push('the log runs against real time');
    newestSent.set(attempt.familyId, Math.max(newest, attempt.sent));
    return found;
  }
}

async function faultsOfRows(pool: pg.Pool, models: ReadonlyMap<string, ModelFamily>, ended: ReadonlySet<string>) {
  const rows = await rowsOf(pool)`
    SELECT f.id, f.generation, f.grace_uses, f.grace_streak, f.grace_contested, f.context_hash, f.kv, f.prev_kv,
      f.revoke_reason,
        (SELECT count(*)::int FROM revocations r WHERE r.kind = 'family' AND r.value = f.id::text) AS revocations
    FROM refresh_families f`;
  const faults: HistoryFault[] = [];
  if (rows.length !== models.size) faults.push(`${rows.length} rows of ${models.size} families`);
  for (const { id, revocations, ...row } of rows) {
    const model = models.get(id);
    const expected = {
      generation: model?.generation,
      grace_uses: model?.graceUses,
      grace_streak: model?.graceStreak,
      grace_contested: model?.isContested,
      context_hash: model?.context,
      kv: model?.kv,
      prev_kv: model?.prevKv,
      revoke_reason: model?.revokeReason,
    };
    if (JSON.stringify(row) !== JSON.stringify(expected))
      faults.push(`row ${JSON.stringify(row)} where one at a time leaves ${JSON.stringify(expected)}`);
    const isRevoked = row.revoke_reason === 'refresh_token_reused' || ended.has(id);
    if (revocations !== (isRevoked ? 1 : 0))
      faults.push(`${revocations} revocations of a family: ${row.revoke_reason}`);
  }
  return faults;
}
