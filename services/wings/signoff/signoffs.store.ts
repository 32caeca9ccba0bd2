import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineQuestion } from '#services/platform/define/question.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { SignOffView } from './contract.ts';
import type { SignOffRole, SignOffState } from './signoff-shapes.ts';

type DecisionRow = SignOffView['decisions'][number];

/** As it is shown, but for what columns keep apart or only rules read. */
export type SignOffRow = Omit<
  SignOffView,
  'signoff_id' | 'arguments' | 'requested_by' | 'conditions' | 'waiting_for' | 'policy'
> &
  SignOffView['conditions'] & {
    readonly id: string;
    readonly arguments: string;
    readonly requested_by_kind: SignOffView['requested_by']['kind'];
    readonly requested_by: string;
    readonly barred_users: string[];
    readonly event_id: string | null;
    /** Of the policy that applied at the request; null if none did. */
    readonly policy_act: string | null;
    readonly policy_version: number | null;
  };

/** An expired sign-off changes nothing, so its state is derived: no row waits for a job. */
const STATE = `CASE WHEN s.expires_at > clock_timestamp() THEN s.state WHEN s.state IN ('pending', 'approved') THEN 'expired'
  WHEN s.state = 'running' THEN 'interrupted' ELSE s.state END`;
/** Decisions by the primary key: at most six. */
const SIGNOFF = `s.id, s.act, s.title, s.arguments, s.arguments_sha256,
  s.requested_by_kind, s.requested_by, s.client_id,
  s.barred_users, s.required_roles, s.quorum,
  s.min_security_score, s.no_open_incident, ${STATE} AS state,
  ${placeTime('s.requested_at')} AS requested_at, ${placeTime('s.expires_at')} AS expires_at,
  ${placeTime('s.decided_at')} AS decided_at, ${placeTime('s.started_at')} AS started_at,
  ${placeTime('s.finished_at')} AS finished_at, s.failure, s.event_id,
  s.policy_act, s.policy_version, s.argument_labels,
  (SELECT coalesce(jsonb_agg(jsonb_build_object('role', d.role, 'user_id', d.user_id, 'decision', d.decision,
     'comment', d.comment, 'at', ${placeTime('d.decided_at')}) ORDER BY d.decided_at, d.role), '[]')
   FROM signoff_decisions d WHERE d.signoff_id = s.id) AS decisions`;

const signOffInsert = defineStatement(
  'signoffInsert',
  `INSERT INTO signoffs (id, act, title, arguments, arguments_sha256, requested_by_kind, requested_by, client_id, barred_users,
     required_roles, quorum, min_security_score, no_open_incident, requested_at, expires_at)
   SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, now, now + make_interval(mins => $14::int)
   FROM (SELECT clock_timestamp() AS now) clock`,
);
const signOffRead = defineStatement('signoffRead', `SELECT ${SIGNOFF} FROM signoffs s WHERE s.id = $1`);
/** Locks the row until commit, before anything is read that depends on it: decisions, starts and kills are in one order. */
const signOffLock = defineStatement('signoffLock', 'SELECT id FROM signoffs WHERE id = $1 FOR UPDATE');
/** By index signoffs_open, of whose rows a requester has few. One that is approved comes first. */
const openSignOffFind = defineStatement(
  'signoffOpenFind',
  `SELECT ${SIGNOFF} FROM signoffs s
   WHERE s.requested_by_kind = $1 AND s.requested_by = $2 AND s.client_id = $3 AND s.act = $4 AND s.arguments_sha256 = $5
     AND s.state IN ('pending', 'approved', 'running') AND s.expires_at > clock_timestamp()
   ORDER BY s.state, s.expires_at DESC, s.id LIMIT 1`,
);
/** Backwards by index signoffs_requested_at; people read the newest. */
const signOffsPage = defineStatement(
  'signoffsPage',
  `SELECT ${SIGNOFF} FROM signoffs s
   WHERE ($1::text IS NULL OR ${STATE} = $1) AND ($2::text IS NULL OR $2 = ANY (s.required_roles))
     AND ($3::timestamptz IS NULL OR (s.requested_at, s.id) < ($3, $4::uuid))
   ORDER BY s.requested_at DESC, s.id DESC LIMIT $5`,
);
/** Backwards by index signoffs_requested_by. */
const signOffsOfUserPage = defineStatement(
  'signoffsOfUserPage',
  `SELECT ${SIGNOFF} FROM signoffs s
   WHERE s.requested_by_kind = 'user' AND s.requested_by = $1
     AND ($2::timestamptz IS NULL OR (s.requested_at, s.id) < ($2, $3::uuid))
   ORDER BY s.requested_at DESC, s.id DESC LIMIT $4`,
);
/** Requests of one requester wait for each other, so that none of them is counted too late. */
const requesterLock = defineStatement(
  'signoffRequesterLock',
  `SELECT pg_advisory_xact_lock(hashtextextended('signoff ' || $1 || ' ' || $2, 0))`,
);
/** By index signoffs_open. */
const openCount = defineStatement(
  'signoffOpenCount',
  `SELECT count(*)::int AS open FROM signoffs
   WHERE requested_by_kind = $1 AND requested_by = $2 AND state IN ('pending', 'approved', 'running')
     AND expires_at > clock_timestamp()`,
);
/** By the primary keys. */
const peopleBehindClient = defineStatement(
  'signoffPeopleBehindClient',
  `SELECT people_behind_client($1) AS people, EXISTS (SELECT FROM agents WHERE client_id = $1) AS is_agent`,
);
/** Locks the agent of the client until commit: a kill is before or after this transaction. */
const requesterLives = defineStatement('signoffRequesterLives', 'SELECT signoff_requester_lives($1, $2, $3) AS lives');
/** By the primary key. A family that a caller began for its user, without a sign-in of the user, has no time of one. */
const signedInFamily = defineStatement(
  'signoffSignedInFamily',
  'SELECT 1 FROM refresh_families WHERE id = $1 AND auth_time > to_timestamp(0)',
);
/** Until commit none of them is disabled or loses a role. In id order, as every writer of several. */
const peopleLock = defineStatement(
  'signoffPeopleLock',
  'SELECT id FROM users WHERE id = ANY ($1) ORDER BY id FOR SHARE',
);
const roleHeld = defineStatement(
  'signoffRoleHeld',
  `SELECT EXISTS (SELECT FROM user_roles JOIN users ON id = user_id
     WHERE user_id = $1 AND role = $2 AND "disabledAt" IS NULL) AS held`,
);
/** The primary key and index signoff_decisions_person allow one decision for each role and each person. */
const decisionInsert = defineStatement(
  'signoffDecisionInsert',
  `INSERT INTO signoff_decisions (signoff_id, role, user_id, decision, comment) VALUES ($1, $2, $3, $4, $5)
   ON CONFLICT DO NOTHING RETURNING 1`,
);
const signOffDecide = defineStatement(
  'signoffDecide',
  `UPDATE signoffs SET state = $2, decided_at = clock_timestamp() WHERE id = $1 AND state = 'pending'`,
);
/** Until commit the policy does not change; the trigger of the insert has the last word, and stores its version. */
const policyRead = defineStatement(
  'signoffPolicyRead',
  `SELECT act, roles, quorum, lifetime_minutes AS life_minutes, min_security_score,
     no_open_incident
   FROM signoff_policies WHERE act = (SELECT act FROM signoff_policy_of($1)) FOR SHARE`,
);
const policyNameRead = defineStatement('signoffPolicyNameRead', 'SELECT act FROM signoff_policy_of($1)');
/** By the primary keys, under the lock of the sign-off. */
const barredRead = defineStatement(
  'signoffBarredRead',
  'SELECT is_one_person($2, signoff_barred(s)) AS is_barred FROM signoffs s WHERE id = $1',
);
const voidApprovalsDelete = defineStatement(
  'signoffVoidApprovalsDelete',
  `DELETE FROM signoff_decisions d USING signoffs s CROSS JOIN LATERAL signoff_void_approvals(s) v
   WHERE s.id = $1 AND d.signoff_id = s.id AND d.role = v.role RETURNING d.role, d.user_id, v.why`,
);
const signOffReopen = defineStatement(
  'signoffReopen',
  `UPDATE signoffs SET state = 'pending', decided_at = NULL WHERE id = $1 AND state = 'approved'`,
);
const signOffStart = defineStatement(
  'signoffStart',
  `UPDATE signoffs SET state = 'running', started_at = clock_timestamp()
   WHERE id = $1 AND state = 'approved' AND expires_at > clock_timestamp() RETURNING 1`,
);
/** Under the lock of the agent, so that the trigger of the start, which asks the same, has the same answer. */
const limitRefusal = defineStatement(
  'signoffLimitRefusal',
  `SELECT r.code, r.act, r.set_by, r.currency, r.most,
     ceil(extract(epoch FROM date_trunc('day', at, 'UTC') + interval '1 day' - at))::int AS retry_seconds
   FROM (SELECT clock_timestamp() AS at) clock CROSS JOIN signoffs s CROSS JOIN LATERAL agent_limit_refusal(s, at) r
   WHERE s.id = $1`,
);
const signOffFinish = defineStatement(
  'signoffFinish',
  `UPDATE signoffs SET state = $2, failure = $3, event_id = $4, finished_at = clock_timestamp()
   WHERE id = $1 AND state = 'running' RETURNING 1`,
);
const signOffWithdraw = defineStatement(
  'signoffWithdraw',
  `UPDATE signoffs SET state = 'failed', failure = 'withdrawn', finished_at = clock_timestamp()
   WHERE id = $1 AND state IN ('pending', 'approved') AND expires_at > clock_timestamp() RETURNING 1`,
);
/** Place of the event in the sealed log, by index audit_events_event_id. */
const eventPlace = defineStatement(
  'signoffEventPlace',
  'SELECT seq::float8 AS seq FROM audit_events WHERE event_id = $1',
);

export const signOffsAreOpen = defineQuestion(
  `EXISTS (SELECT FROM signoffs WHERE state IN ('pending', 'approved') AND expires_at > clock_timestamp())`,
);
/** Kept as long as HIPAA requires for documentation (45 CFR 164.316(b)(2)); decisions go with it. */
export const signOffPurge = definePurge({
  table: 'signoffs',
  ends: 'requested_at',
  stays: `interval '6 years'`,
});

export type NewSignOff = Pick<
  SignOffRow,
  | 'id'
  | 'act'
  | 'title'
  | 'arguments'
  | 'arguments_sha256'
  | 'requested_by_kind'
  | 'requested_by'
  | 'client_id'
  | 'quorum'
  | 'min_security_score'
  | 'no_open_incident'
> & {
  readonly barredUsers: readonly string[];
  readonly requiredRoles: readonly SignOffRole[];
  readonly lifeMinutes: number;
};

export const insertSignOff = async (tx: Sql, row: NewSignOff): Promise<void> => {
  await tx.query(signOffInsert, [
    row.id,
    row.act,
    row.title,
    row.arguments,
    row.arguments_sha256,
    row.requested_by_kind,
    row.requested_by,
    row.client_id,
    row.barredUsers,
    row.requiredRoles,
    row.quorum,
    row.min_security_score,
    row.no_open_incident,
    row.lifeMinutes,
  ]);
};

/** Open sign-offs of a requester; until commit no other transaction counts them or adds one. */
export async function countOpenSignOffs(
  tx: Sql,
  { requested_by_kind: kind, requested_by: id }: Pick<SignOffRow, 'requested_by_kind' | 'requested_by'>,
): Promise<number> {
  await tx.query(requesterLock, [kind, id]);
  return (await tx.query<{ open: number }>(openCount, [kind, id]))[0]?.open ?? 0;
}

/** The users who have set credentials of the client, and the owner if it is an agent. */
export const readPeopleBehindClient = async (
  sql: Sql,
  clientId: string,
): Promise<{ readonly people: readonly string[]; readonly is_agent: boolean }> =>
  (await sql.query<{ people: string[]; is_agent: boolean }>(peopleBehindClient, [clientId]))[0] as {
    people: string[];
    is_agent: boolean;
  };

/** Whether the requester is not disabled, killed or expired. Until commit its agent is not killed. */
export const lockLiveRequester = async (
  tx: Sql,
  row: Pick<SignOffRow, 'requested_by_kind' | 'requested_by' | 'client_id'>,
): Promise<boolean> =>
  (await tx.query<{ lives: boolean }>(requesterLives, [row.requested_by_kind, row.requested_by, row.client_id]))[0]
    ?.lives === true;

/** Whether the user signed in to the family. */
export const isSignedInFamily = async (sql: Sql, familyId: string): Promise<boolean> =>
  (await sql.query(signedInFamily, [familyId])).length === 1;

export type PolicyRow = {
  readonly act: string;
  readonly roles: SignOffRole[];
  readonly quorum: number;
  readonly life_minutes: number;
  readonly min_security_score: number | null;
  readonly no_open_incident: boolean;
};
/** The policy of an act, locked until commit. One that was removed while this waited leaves the act to the next. */
export async function lockPolicyOf(tx: Sql, act: string): Promise<PolicyRow | undefined> {
  for (;;) {
    const [row] = await tx.query<PolicyRow>(policyRead, [act]);
    if (row !== undefined || (await tx.query(policyNameRead, [act])).length === 0) return row;
  }
}

/** Until commit none of these users is disabled or loses a role. */
export const lockPeople = async (tx: Sql, ids: readonly string[]): Promise<void> => {
  await tx.query(peopleLock, [ids]);
};

export const readSignOffRow = async (sql: Sql, id: string): Promise<SignOffRow | undefined> =>
  (await sql.query<SignOffRow>(signOffRead, [id]))[0];

/** The open sign-off of this act with these arguments that the requester has. */
export const findOpenSignOff = async (
  sql: Sql,
  { requested_by_kind, requested_by, client_id }: Pick<SignOffRow, 'requested_by_kind' | 'requested_by' | 'client_id'>,
  act: string,
  argumentsSha256: string,
): Promise<SignOffRow | undefined> =>
  (await sql.query<SignOffRow>(openSignOffFind, [requested_by_kind, requested_by, client_id, act, argumentsSha256]))[0];

/** The sign-off, locked until commit, as it is after every earlier transaction. */
export async function lockSignOff(tx: Sql, id: string): Promise<SignOffRow | undefined> {
  await tx.query(signOffLock, [id]);
  return readSignOffRow(tx, id);
}

export type SignOffFilter = { readonly state?: SignOffState | undefined; readonly role?: SignOffRole | undefined };
export const readSignOffsPage = (
  sql: Sql,
  { state, role }: SignOffFilter,
  after: readonly string[] | undefined,
  limit: number,
): Promise<SignOffRow[]> =>
  sql.query<SignOffRow>(signOffsPage, [state ?? null, role ?? null, after?.[0] ?? null, after?.[1] ?? null, limit]);

export const readSignOffsOfUser = (
  sql: Sql,
  userId: string,
  after: readonly string[] | undefined,
  limit: number,
): Promise<SignOffRow[]> =>
  sql.query<SignOffRow>(signOffsOfUserPage, [userId, after?.[0] ?? null, after?.[1] ?? null, limit]);

export const hasRole = async (tx: Sql, userId: string, role: SignOffRole): Promise<boolean> =>
  (await tx.query<{ held: boolean }>(roleHeld, [userId, role]))[0]?.held === true;
/** False if the person or the role has decided before. */
export const insertDecision = async (
  tx: Sql,
  id: string,
  { role, userId, decision, comment }: Omit<DecisionRow, 'user_id' | 'at'> & { readonly userId: string },
): Promise<boolean> => (await tx.query(decisionInsert, [id, role, userId, decision, comment])).length === 1;
export const decideSignOffRow = async (tx: Sql, id: string, state: 'approved' | 'denied'): Promise<void> => {
  await tx.query(signOffDecide, [id, state]);
};
/** Whether a user must not decide now: the one who asked, people who can act as its client, and their accounts of one mailbox. */
export const isBarred = async (tx: Sql, id: string, userId: string): Promise<boolean> =>
  (await tx.query<{ is_barred: boolean }>(barredRead, [id, userId]))[0]?.is_barred === true;

type VoidApproval = {
  readonly role: SignOffRole;
  readonly user_id: string;
  readonly why: 'account_inactive' | 'role_lost' | 'barred';
};
/** Deletes the approvals that do not count now; an approved sign-off that had one is pending again. */
export async function deleteVoidApprovals(tx: Sql, id: string): Promise<VoidApproval[]> {
  const removed = await tx.query<VoidApproval>(voidApprovalsDelete, [id]);
  if (removed.length > 0) await tx.query(signOffReopen, [id]);
  return removed;
}
/** False unless the sign-off was approved, has not expired and has not started. */
export const startSignOffRow = async (tx: Sql, id: string): Promise<boolean> =>
  (await tx.query(signOffStart, [id])).length === 1;
type LimitRefusal = {
  readonly code: 'agent_limit_reached' | 'agent_amount_unreadable';
  /** The act or acts that are limited, by whom, and how many or how much of the currency a day. */
  readonly act: string;
  readonly set_by: string;
  readonly currency: string | null;
  readonly most: string | null;
  readonly retry_seconds: number;
};
/** The limit of its agent that keeps an act from starting now. */
export const readLimitRefusal = async (tx: Sql, id: string): Promise<LimitRefusal | undefined> =>
  (await tx.query<LimitRefusal>(limitRefusal, [id]))[0];
/** False unless the act runs. */
export const finishSignOffRow = async (
  tx: Sql,
  id: string,
  end: { readonly state: 'done' | 'failed'; readonly failure: string | null; readonly eventId: string },
): Promise<boolean> => (await tx.query(signOffFinish, [id, end.state, end.failure, end.eventId])).length === 1;
/** False if the act has started, or the sign-off has ended. */
export const withdrawSignOffRow = async (tx: Sql, id: string): Promise<boolean> =>
  (await tx.query(signOffWithdraw, [id])).length === 1;
export const readEventPlace = async (sql: Sql, eventId: string): Promise<number | undefined> =>
  (await sql.query<{ seq: number }>(eventPlace, [eventId]))[0]?.seq;
