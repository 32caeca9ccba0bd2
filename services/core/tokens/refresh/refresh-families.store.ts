import type { Marks, Sql } from '#services/core/ports.ts';
import { databaseIsKnown, seenValues } from '#services/core/revocations/database-guard.ts';
import {
  booleanArray,
  bytesArray,
  instantArray,
  integerArray,
  textArray,
} from '#services/core/shared/binary-arrays.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { AuthorizationDetails } from '../authorization-details.ts';

/** Marks of a family: a rotation is marked once a part of `refresh_copies`, one of as many, has passed since the last mark. */
const MARKS = 12;
const GRANTED = `('rotated', 'kept', 'grace', 'lost_answer', 'stale_copy')`;

/**
 * Rotates a batch of presented refresh tokens: locks the families, decides by the locked values, and updates. A
 * conditional UPDATE could not return why it refused, and after a lock wait a second read in the same statement would see
 * the old snapshot.
 *
 * Locks families in id order, as every writer of several does. Served by the primary keys of families and users and the
 * unique client id. The requests of one family in a batch are processed one after the other: first replays, then retries
 * of the previous generation, then the current one, and each of these in order of arrival. Copies come after replays.
 *
 * If the database or its link had stopped, the statement may go on after its requests were refused. It then changes
 * nothing: the clients may have refreshed again meanwhile, and an honest earlier token would look like a replay. The
 * time is that of its work: `now()` is that of the first message of the statement, and a later one can be lost and sent
 * again by TCP.
 *
 * After the grace window the previous generation counts as a lost response, not as a replay, while its successor is
 * unused and the request comes from the network and agent of the rotation. It gets that successor until the lost answer
 * seconds have passed.
 *
 * An older generation of a client that serves copies gets the current one, as often as grace allows, for the client's
 * `refresh_copies` after the rotation that replaced it. With a key or certificate of the family these prove the holder;
 * without one the request must come from the network of the last rotation. The time of a replaced generation is that of
 * the newest mark before: up to a twelfth of the bound too old, never too young.
 *
 * The family of a client that keeps its refresh tokens does not rotate: each use of the current generation extends the
 * idle expiry and nothing else. The family must be bound to the client, and the client have authenticated or have shown
 * the DPoP key of the family. Tokens of earlier generations, from before the client was given this setting, are
 * processed as for any other client.
 *
 * $1 family uuid[] · $2 generation int4[] · $3 kv int2[] · $4 nonce_hash bytea[] · $5 client_bound bool[] ·
 * $6 client_id text[] · $7 client_authenticated bool[] · $8 jkt text[] · $9 x5t text[] · $10 ip_hash text[] ·
 * $11 agent_hash text[] · $12 traceparent text[] · $13 grace seconds · $14 grace uses (0: no grace at all) ·
 * $15 replay ends the family · $16 idle seconds · $17 newest kv · $18 idle seconds of two factors · $19 not_after timestamptz[] ·
 * $20 lost answer seconds (0: none) · $21 incarnation, $22 revocation epoch and $23 beat that were seen of the database; null: none
 */
export const refreshFamilyRotateBatch = defineStatement(
  'refreshFamilyRotateBatch',
  `WITH presented AS MATERIALIZED (
  SELECT * FROM unnest($1::uuid[], $2::int4[], $3::int2[], $4::bytea[], $5::bool[], $6::text[], $7::bool[], $8::text[],
    $9::text[], $10::text[], $11::text[], $12::text[], $19::timestamptz[]) WITH ORDINALITY
    AS p (family_id, generation, kv, nonce_hash, client_bound, client_id, client_authenticated, jkt, x5t, ip_hash,
      agent_hash, traceparent, not_after, n)
), database AS MATERIALIZED (
  ${databaseIsKnown(['$21', '$22', '$23'])}
), locked AS MATERIALIZED ( -- waits for row locks, then has the newest committed values
  SELECT f.* FROM refresh_families f WHERE f.id = ANY ($1) ORDER BY f.id FOR NO KEY UPDATE
), families AS MATERIALIZED (
  SELECT f.*, u.email, u."emailVerified" IS NOT NULL AS is_email_verified, u.roles,
    f.revoked_at IS NOT NULL OR u.id IS NULL OR u."disabledAt" IS NOT NULL OR u."tokenEpoch" > f.user_epoch
      OR c.id IS NULL OR coalesce(c.disabled, false) OR c."tokenEpoch" > f.client_epoch AS is_revoked,
    f.client_bound AND c.refresh_rotation = 'off' AS keeps_token, c.refresh_copies,
    CASE WHEN c.refresh_copies > 0 AND coalesce(extract(epoch FROM now()) >= c.refresh_copies / ${MARKS}.0
        + (f.rotation_marks[cardinality(f.rotation_marks)] & 4294967295), true)
      THEN (f.rotation_marks || ((f.generation + 1)::int8 << 32 | floor(extract(epoch FROM now()))::int8))
        [greatest(1, cardinality(f.rotation_marks) - ${MARKS - 2}):]
      ELSE f.rotation_marks END AS marks_rotated
  FROM locked f LEFT JOIN users u ON u.id = f.user_id LEFT JOIN oauth_clients c ON c."clientId" = f.client_id
), classified AS (
  SELECT p.*, p.ip_hash || p.agent_hash AS context, f.generation AS held_generation, f.context_hash,
    f.grace_contested, f.grace_streak, $14::int4 - f.grace_uses AS grace_left,
    now() >= f.rotated_at + make_interval(secs => $13::float8) AS is_past_grace,
    CASE
      WHEN (SELECT is_known FROM database) IS NOT TRUE THEN 'rewound'
      WHEN clock_timestamp() > p.not_after THEN 'late'
      WHEN f.id IS NULL THEN 'unknown'
      WHEN f.nonce_hash <> p.nonce_hash OR f.client_bound <> p.client_bound
        OR f.client_id <> coalesce(p.client_id, f.client_id) OR f.jkt <> coalesce(p.jkt, '')
        OR f.x5t <> coalesce(p.x5t, '') THEN 'mismatch'
      WHEN p.generation > f.generation THEN 'ahead'
      WHEN f.is_revoked THEN 'revoked'
      WHEN now() >= least(f.expires_at, f.idle_expires_at) THEN 'expired'
      WHEN p.generation = f.generation THEN CASE WHEN p.kv <> f.kv THEN 'mismatch'
        WHEN f.keeps_token AND (p.client_authenticated OR f.jkt IS NOT NULL) THEN 'kept' ELSE 'current' END
      WHEN p.generation = f.generation - 1 AND p.kv <> f.prev_kv THEN 'mismatch'
      WHEN p.generation = f.generation - 1 AND $14::int4 > 0
        AND now() < f.rotated_at + make_interval(secs => CASE WHEN p.ip_hash || p.agent_hash = f.context_hash
          THEN greatest($13::float8, $20::float8) ELSE $13::float8 END) THEN 'retry'
      WHEN f.refresh_copies > 0 AND $14::int4 > 0
        AND (f.jkt IS NOT NULL OR f.x5t IS NOT NULL OR starts_with(f.context_hash, p.ip_hash))
        AND now() < make_interval(secs => f.refresh_copies) + greatest(
          CASE WHEN p.generation = f.generation - 1 THEN f.rotated_at END,
          (SELECT to_timestamp(max(mark) & 4294967295) FROM unnest(f.rotation_marks) AS mark
           WHERE mark >> 32 <= p.generation + 1)) THEN 'copy'
      ELSE 'replay'
    END AS class
  FROM presented p LEFT JOIN families f ON f.id = p.family_id
), ranked AS (
  SELECT c.*, row_number() OVER arrival AS nth, grace_left - CASE class
      WHEN 'retry' THEN count(*) FILTER (WHERE class = 'copy') OVER (PARTITION BY family_id) ELSE 0 END AS uses_left,
    CASE class WHEN 'retry' THEN context <> context_hash
      WHEN 'current' THEN context <> first_value(context) OVER arrival END AS is_foreign
  FROM classified c WINDOW arrival AS (PARTITION BY family_id, class ORDER BY n)
), contested AS ( -- …_contest is the request that makes a generation contested
  SELECT r.*, $15::bool AND bool_or(class = 'replay') OVER family AS any_replay,
    min(n) FILTER (WHERE class = 'retry' AND is_foreign AND nth <= uses_left AND NOT grace_contested) OVER family AS retry_contest,
    min(n) FILTER (WHERE class = 'current' AND is_foreign AND nth - 1 <= $14::int4) OVER family AS current_contest
  FROM ranked r WINDOW family AS (PARTITION BY family_id)
), streaks AS ( -- the third successive contested generation ends the family
  SELECT w.*, CASE WHEN $15::bool AND grace_streak >= 2 THEN retry_contest END AS retry_kill,
    CASE WHEN $15::bool AND (grace_contested OR retry_contest IS NOT NULL)
      AND grace_streak + (retry_contest IS NOT NULL)::int4 >= 2 THEN current_contest END AS current_kill
  FROM contested w
), outcomes AS MATERIALIZED (
  SELECT s.*, CASE class
    WHEN 'replay' THEN CASE WHEN nth = 1 OR NOT $15::bool THEN 'replay' ELSE 'revoked' END
    WHEN 'copy' THEN CASE WHEN any_replay THEN 'revoked' WHEN nth > uses_left THEN 'grace_spent' ELSE 'stale_copy' END
    WHEN 'retry' THEN CASE WHEN any_replay OR n > retry_kill THEN 'revoked' WHEN n = retry_kill THEN 'replay'
      WHEN nth > uses_left THEN 'grace_spent' WHEN is_past_grace THEN 'lost_answer' ELSE 'grace' END
    WHEN 'current' THEN CASE WHEN any_replay OR retry_kill IS NOT NULL OR n > current_kill THEN 'revoked'
      WHEN nth = 1 THEN 'rotated' WHEN n = current_kill THEN 'replay' WHEN nth - 1 <= $14::int4 THEN 'grace'
      WHEN $14::int4 > 0 THEN 'grace_spent' WHEN nth = 2 OR NOT $15::bool THEN 'replay' ELSE 'revoked' END
    WHEN 'kept' THEN CASE WHEN any_replay OR retry_kill IS NOT NULL THEN 'revoked' ELSE 'kept' END
    ELSE class END AS outcome
  FROM streaks s
), changes AS ( -- one row for each family that changes
  SELECT family_id, bool_or(outcome = 'rotated') AS rotates, bool_or(outcome = 'kept') AS keeps, bool_or(outcome = 'replay') AS ends,
    count(*) FILTER (WHERE outcome = 'grace' AND class = 'current')::int2 AS doubled,
    count(*) FILTER (WHERE outcome IN ('grace', 'lost_answer', 'stale_copy') AND class <> 'current')::int2 AS retried,
    count(*) FILTER (WHERE outcome = 'stale_copy')::int4 AS copied,
    bool_or(outcome = 'lost_answer') AS repeats_lost_answer,
    min(context) FILTER (WHERE outcome = 'rotated') AS context,
    bool_or(retry_contest IS NOT NULL) AND NOT bool_or(any_replay) AS retry_contests,
    bool_or(current_contest IS NOT NULL) AS current_contests
  FROM outcomes WHERE outcome IN ${GRANTED} OR outcome = 'replay' AND $15::bool GROUP BY family_id
), changed AS (
  UPDATE refresh_families f SET
    generation = f.generation + d.rotates::int4,
    -- Also the last use of a family that never rotated: no previous generation gets more grace by it.
    rotated_at = CASE WHEN d.rotates OR d.keeps AND f.generation = 0 THEN clock_timestamp() ELSE f.rotated_at END,
    prev_kv = CASE WHEN d.rotates THEN f.kv ELSE f.prev_kv END,
    kv = CASE WHEN d.rotates THEN $17::int2 ELSE f.kv END,
    grace_uses = CASE WHEN d.rotates THEN d.doubled ELSE f.grace_uses + d.retried END,
    grace_contested = CASE WHEN d.rotates THEN d.current_contests ELSE f.grace_contested OR d.retry_contests END,
    grace_streak = least(99, (d.rotates AND d.current_contests)::int4 + CASE
      WHEN NOT d.rotates OR f.grace_contested OR d.retry_contests THEN f.grace_streak + d.retry_contests::int4 ELSE 0 END),
    context_hash = CASE WHEN d.rotates THEN d.context ELSE f.context_hash END,
    idle_expires_at = CASE WHEN d.rotates OR d.keeps THEN least(now() + make_interval(secs => CASE f.acr WHEN 'aal2' THEN $18::float8 ELSE $16::float8 END), f.expires_at)
      ELSE f.idle_expires_at END,
    lost_answer_at = CASE WHEN d.repeats_lost_answer THEN clock_timestamp() ELSE f.lost_answer_at END,
    rotation_marks = CASE WHEN d.rotates THEN l.marks_rotated ELSE f.rotation_marks END,
    copy_uses = f.copy_uses + d.copied,
    revoked_at = CASE WHEN d.ends THEN clock_timestamp() END,
    revoke_reason = CASE WHEN d.ends THEN 'refresh_token_reused' END
  FROM changes d JOIN families l ON l.id = d.family_id WHERE f.id = d.family_id AND f.id = ANY ($1)
), ended AS (
  INSERT INTO revocations (kind, value, reason, user_id, client_id, expires_at)
  SELECT 'family', d.family_id::text, 'refresh_token_reused', f.user_id, f.client_id, revocation_keep_until()
  FROM changes d JOIN families f ON f.id = d.family_id WHERE d.ends ORDER BY d.family_id
), logged AS ( -- ids follow the serial order, taken under the row locks
  INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, client_id, ip_hash, agent_hash,
    detail, traceparent)
  SELECT CASE o.outcome WHEN 'replay' THEN 'token.refresh_reused' WHEN 'grace_spent' THEN 'token.refresh_overused'
      WHEN 'ahead' THEN 'token.state_rewound' ELSE 'token.refreshed' END, o.outcome,
    CASE WHEN o.client_authenticated THEN 'client' WHEN o.outcome IN ${GRANTED} THEN 'user' ELSE 'anonymous' END,
    CASE WHEN o.client_authenticated THEN o.client_id WHEN o.outcome IN ${GRANTED} THEN f.user_id END,
    'family', o.family_id, coalesce(f.client_id, o.client_id), o.ip_hash, o.agent_hash,
    jsonb_build_object('generation', o.generation, 'held', o.held_generation, 'user_id', f.user_id, 'session_id', f.sid),
    o.traceparent
  FROM outcomes o LEFT JOIN families f ON f.id = o.family_id
  WHERE o.outcome NOT IN ('late', 'rewound') ORDER BY o.family_id, CASE o.class WHEN 'replay' THEN 1 WHEN 'copy' THEN 2 WHEN 'retry' THEN 3 WHEN 'current' THEN 4 WHEN 'kept' THEN 4 ELSE 0 END, o.n
)
SELECT o.outcome, CASE WHEN o.outcome IN ('lost_answer', 'stale_copy', 'kept') THEN f.kv WHEN o.outcome = 'rotated' THEN $17::int2
    WHEN o.outcome = 'grace' THEN CASE o.class WHEN 'retry' THEN f.kv ELSE $17::int2 END END AS kv, o.held_generation,
  CASE WHEN o.outcome = 'revoked' AND o.class <> 'revoked' THEN 'refresh_token_reused' ELSE f.revoke_reason END AS revoke_reason,
  CASE o.outcome WHEN 'grace_spent' THEN ceil(CASE o.class WHEN 'retry' THEN
    CASE WHEN o.is_past_grace THEN $20::float8 ELSE $13::float8 END - extract(epoch FROM now() - f.rotated_at)
    ELSE $13::float8 END)::int4 END AS retry_after_seconds,
  floor(extract(epoch FROM CASE WHEN o.class IN ('current', 'kept') THEN least(now() + make_interval(secs => CASE f.acr WHEN 'aal2' THEN $18::float8 ELSE $16::float8 END), f.expires_at)
    ELSE least(f.idle_expires_at, f.expires_at) END - now()))::int8 AS refresh_expires_in_seconds,
  f.user_id, f.email, f.is_email_verified, array_to_json(f.roles)::text AS roles,
  f.user_epoch, f.client_id,
  f.client_epoch, f.sid AS session_id, f.scope, f.audience, f.jkt, f.x5t,
  extract(epoch FROM f.auth_time)::int8 AS auth_time, f.amr, f.acr,
  f.rights_limit::text AS rights_limit, f.authorization_details
FROM outcomes o LEFT JOIN families f ON f.id = o.family_id
ORDER BY o.n`,
);

type RotationOutcome =
  | 'rotated'
  | 'kept'
  | 'grace'
  | 'lost_answer'
  | 'stale_copy'
  | 'grace_spent'
  | 'replay'
  | 'revoked'
  | 'expired'
  | 'ahead'
  | 'mismatch'
  | 'unknown'
  | 'late'
  | 'rewound';

/** One presented token, strictly validated, because a value that Postgres refuses fails the whole batch. */
export type PresentedToken = {
  readonly familyBytes: Uint8Array;
  readonly generation: number;
  readonly kv: number;
  readonly nonceHash: Uint8Array;
  readonly isClientBound: boolean;
  readonly clientId: string | null;
  readonly isClientAuthenticated: boolean;
  readonly jkt?: string | undefined;
  readonly x5t?: string | undefined;
  readonly ipHash: string | null;
  readonly agentHash: string | null;
  readonly traceparent: string | null;
  /** Unix milliseconds of the database's clock after which the client no longer waits for a response. */
  readonly notAfterMs: number;
};

export type RotationPolicy = {
  /** 0 with `graceUses` 0: no grace. */
  readonly graceSeconds: number;
  readonly graceUses: number;
  /** 0: none. */
  readonly lostAnswerSeconds: number;
  readonly endsOnReplay: boolean;
  readonly idleSeconds: number;
  /** The same for families of a sign-in with two factors. */
  readonly twoFactorIdleSeconds: number;
  readonly newestKv: number;
};

/** An outcome with the facts of the family. Only what gives a token has `kv`; the facts of an unknown family are null. */
export type Rotation = {
  readonly outcome: RotationOutcome;
  /** Server key of the token to return. */
  readonly kv: number;
  /** The current one before this batch: with `stale_copy` that of the token to return. */
  readonly held_generation: number;
  readonly revoke_reason: string | null;
  /** Only with `grace_spent`: seconds until the window closes. */
  readonly retry_after_seconds: number | null;
  /** Until idle or absolute expiry, whichever is first. */
  readonly refresh_expires_in_seconds: number;
  readonly user_id: string;
  readonly email: string;
  readonly is_email_verified: boolean;
  /** JSON array. */
  readonly roles: string;
  readonly user_epoch: number;
  readonly client_id: string;
  readonly client_epoch: number;
  readonly session_id: string | null;
  readonly scope: string;
  readonly audience: string;
  readonly jkt: string | null;
  readonly x5t: string | null;
  /** Unix seconds. */
  readonly auth_time: number;
  /** Space separated. */
  readonly amr: string;
  readonly acr: string | null;
  /** JSON object; null where the user signed in. */
  readonly rights_limit: string | null;
  readonly authorization_details: AuthorizationDetails | null;
};

/** Rotates presented tokens in one statement. The outcomes are in the order of the tokens. */
export function rotateBatch(
  sql: Sql,
  presented: readonly PresentedToken[],
  policy: RotationPolicy,
  seen: Marks | null,
): Promise<readonly Rotation[]> {
  return sql.query<Rotation>(refreshFamilyRotateBatch, [
    bytesArray('uuid', 16, presented, (token) => token.familyBytes),
    integerArray('int4', presented, (token) => token.generation),
    integerArray('int2', presented, (token) => token.kv),
    bytesArray('bytea', 32, presented, (token) => token.nonceHash),
    booleanArray(presented, (token) => token.isClientBound),
    textArray(presented, (token) => token.clientId),
    booleanArray(presented, (token) => token.isClientAuthenticated),
    textArray(presented, (token) => token.jkt),
    textArray(presented, (token) => token.x5t),
    textArray(presented, (token) => token.ipHash),
    textArray(presented, (token) => token.agentHash),
    textArray(presented, (token) => token.traceparent),
    policy.graceSeconds,
    policy.graceUses,
    policy.endsOnReplay,
    policy.idleSeconds,
    policy.newestKv,
    policy.twoFactorIdleSeconds,
    instantArray(presented, (token) => Math.round(token.notAfterMs * 1_000)),
    policy.lostAnswerSeconds,
    ...seenValues(seen),
  ]);
}
