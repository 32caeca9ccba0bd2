import { actorIdOf } from '#services/core/audit/committed-values.ts';
import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { PhiEnvelope, PhiPurpose } from '../phi-shapes.ts';
import type { BreakGlassView, FieldPolicyView, RestrictionView } from './access-contract.ts';

/**
 * By the primary keys, phi_restrictions_subject_id and phi_break_glass_active. One statement for each use of a value.
 * $5 is the client that acts. An agent has the roles that its owner has now, and none once it or its owner has ended.
 */
const accessRead = defineStatement('phiAccessRead')`
  WITH agent AS (
    SELECT owner_id, killed_at IS NULL AND expires_at > clock_timestamp() AND NOT coalesce(disabled, false)
      AND users."disabledAt" IS NULL AS is_live
    FROM agents JOIN users ON users.id = owner_id JOIN oauth_clients ON "clientId" = client_id WHERE client_id = $5
  ), held AS (
    SELECT role FROM agent JOIN user_roles ON user_id = owner_id WHERE is_live
    UNION ALL SELECT role FROM unnest($1::text[]) AS role WHERE NOT EXISTS (SELECT FROM agent)
  )
  SELECT
    EXISTS (SELECT FROM agent) AS is_agent,
    (SELECT coalesce(jsonb_agg(fields), '[]') FROM phi_field_policies
     WHERE role IN (SELECT role FROM held) AND purpose = $2) AS policies,
    EXISTS (SELECT 1 FROM phi_restrictions WHERE subject_id = $3 AND ended_at IS NULL AND $2 = ANY (purposes)) AS is_restricted,
    (SELECT id FROM phi_break_glass WHERE user_id = $4 AND subject_id = $3 AND expires_at > clock_timestamp()
       AND NOT EXISTS (SELECT FROM agent)
     ORDER BY phi_break_glass.expires_at DESC LIMIT 1) AS break_glass_id`;

const policiesList = defineStatement('phiFieldPoliciesList')`
  SELECT role, purpose, fields, ${placeTime('changed_at')} AS changed_at FROM phi_field_policies ORDER BY role, purpose`;
const policySet = defineStatement('phiFieldPolicySet')`
  INSERT INTO phi_field_policies (role, purpose, fields) SELECT name, $2, $3 FROM roles WHERE name = $1
  ON CONFLICT (role, purpose) DO UPDATE SET fields = excluded.fields, changed_at = clock_timestamp()
  RETURNING ${placeTime('changed_at')} AS changed_at`;
const policyDelete = defineStatement('phiFieldPolicyDelete')`
  DELETE FROM phi_field_policies WHERE role = $1 AND purpose = $2 RETURNING 1`;

const RESTRICTION = `id AS restriction_id, subject_id, purposes, ${placeTime('created_at')} AS created_at,
  ${placeTime('ended_at')} AS ended_at`;
const restrictionInsert = defineStatement('phiRestrictionInsert')`
  INSERT INTO phi_restrictions (id, subject_id, purposes) VALUES ($1, $2, $3) RETURNING ${RESTRICTION}`;
const restrictionEnd = defineStatement('phiRestrictionEnd')`
  UPDATE phi_restrictions SET ended_at = clock_timestamp() WHERE id = $1 AND subject_id = $2 AND ended_at IS NULL
  RETURNING ${RESTRICTION}`;
const restrictionsList = defineStatement('phiRestrictionsList')`
  SELECT ${RESTRICTION} FROM phi_restrictions WHERE subject_id = $1 ORDER BY phi_restrictions.created_at DESC LIMIT 200`;

const BREAK_GLASS = `id AS break_glass_id, user_id, subject_id, ${placeTime('opened_at')} AS opened_at,
  ${placeTime('expires_at')} AS expires_at, outcome, ${placeTime('reviewed_at')} AS reviewed_at, reviewed_by`;
const breakGlassInsert = defineStatement('phiBreakGlassInsert')`
  INSERT INTO phi_break_glass (id, user_id, subject_id, opened_at, expires_at)
  SELECT $1, $2, $3, now, now + make_interval(mins => $4::int) FROM (SELECT clock_timestamp() AS now) c
  RETURNING ${BREAK_GLASS}`;
const breakGlassLock = defineStatement('phiBreakGlassLock')`
  SELECT ${BREAK_GLASS} FROM phi_break_glass WHERE id = $1 FOR UPDATE`;
/** A review also ends an access that has not expired. */
const breakGlassReview = defineStatement('phiBreakGlassReview')`
  UPDATE phi_break_glass SET outcome = $2, reviewed_at = clock_timestamp(), reviewed_by = $3,
    expires_at = greatest(least(expires_at, clock_timestamp()), opened_at + interval '1 millisecond')
  WHERE id = $1 RETURNING ${BREAK_GLASS}`;
const breakGlassList = defineStatement('phiBreakGlassList')`
  SELECT ${BREAK_GLASS} FROM phi_break_glass WHERE ($1::boolean IS NULL OR (outcome IS NOT NULL) = $1)
    AND ($2::timestamptz IS NULL OR (opened_at, id) < ($2, $3::uuid)) ORDER BY phi_break_glass.opened_at DESC, id DESC LIMIT $4`;

const disclosureInsert = defineStatement('phiDisclosureInsert')`
  INSERT INTO phi_disclosures (id, subject_id, purpose, disclosed_at, encrypted) VALUES ($1, $2, $3, $4, $5::jsonb)`;
const disclosuresList = defineStatement('phiDisclosuresList')`
  SELECT id, purpose, ${placeTime('disclosed_at')} AS disclosed_at, encrypted FROM phi_disclosures
  WHERE subject_id = $1 AND disclosed_at >= clock_timestamp() - interval '6 years' AND NOT purpose = ANY ($2::text[])
    AND ($3::timestamptz IS NULL OR (disclosed_at, id) < ($3, $4::uuid)) ORDER BY phi_disclosures.disclosed_at DESC, id DESC LIMIT $5`;

/** The person of an event and its reference are personal values. By the index audit_personal_target. */
const usesList = defineStatement('phiUsesList')`
  SELECT e.seq::float8 AS seq, event_id, type, outcome, actor_kind || ':' || coalesce(${actorIdOf('e')}, '') AS actor,
    ${placeTime('occurred_at')} AS occurred_at, detail ->> 'purpose' AS purpose, detail ->> 'basis' AS basis,
    (SELECT value FROM audit_personal r WHERE r.event_id = e.event_id AND r.field = 'detail.reference') AS reference
  FROM audit_personal p JOIN audit_events e USING (event_id)
  WHERE p.field = 'target' AND p.value = 'subject:' || $1 AND e.seq < $2::bigint
    AND type IN ('phi.encrypted', 'phi.decrypted', 'phi.accessed', 'phi.disclosed') ORDER BY e.seq DESC LIMIT $3`;

/** A use of a person's data, as the sealed log has it. */
export type PhiUseView = {
  readonly seq: number;
  readonly event_id: string;
  readonly type: string;
  readonly outcome: string;
  readonly actor: string;
  readonly occurred_at: string;
  readonly purpose: string | null;
  /** Why a decryption was permitted. */
  readonly basis: string | null;
  readonly reference: string | null;
};
/** Newest first. */
export const listUseRows = (
  sql: Sql,
  subjectId: string,
  before = String(Number.MAX_SAFE_INTEGER),
  limit = 50,
): Promise<PhiUseView[]> => sql.query<PhiUseView>(usesList, [subjectId, before, limit]);

type AccessRow = {
  readonly is_agent: boolean;
  readonly policies: readonly (readonly string[])[];
  readonly is_restricted: boolean;
  readonly break_glass_id: string | null;
};

/** @param userId null for a client or agent */
export const readAccess = async (
  sql: Sql,
  about: {
    readonly roles: readonly string[];
    readonly purpose: PhiPurpose;
    readonly subjectId: string;
    readonly userId: string | null;
    readonly clientId: string | null;
  },
): Promise<AccessRow> => {
  const { roles, purpose, subjectId, userId, clientId } = about;
  return (await sql.query<AccessRow>(accessRead, [roles, purpose, subjectId, userId, clientId]))[0] as AccessRow;
};

export const listFieldPolicyRows = (sql: Sql): Promise<FieldPolicyView[]> => sql.query<FieldPolicyView>(policiesList);
/** When it was changed; undefined for an unknown role. */
export const writeFieldPolicy = async (
  tx: Sql,
  { role, purpose, fields }: Omit<FieldPolicyView, 'changed_at'>,
): Promise<string | undefined> =>
  (await tx.query<{ changed_at: string }>(policySet, [role, purpose, fields]))[0]?.changed_at;
export const deleteFieldPolicyRow = async (tx: Sql, role: string, purpose: PhiPurpose): Promise<boolean> =>
  (await tx.query(policyDelete, [role, purpose])).length === 1;

export const insertRestriction = async (
  tx: Sql,
  {
    id,
    subjectId,
    purposes,
  }: { readonly id: string; readonly subjectId: string; readonly purposes: readonly PhiPurpose[] },
): Promise<RestrictionView> =>
  (await tx.query<RestrictionView>(restrictionInsert, [id, subjectId, purposes]))[0] as RestrictionView;
export const endRestrictionRow = async (tx: Sql, id: string, subjectId: string): Promise<RestrictionView | undefined> =>
  (await tx.query<RestrictionView>(restrictionEnd, [id, subjectId]))[0];
/** The newest two hundred. */
export const listRestrictionRows = (sql: Sql, subjectId: string): Promise<RestrictionView[]> =>
  sql.query<RestrictionView>(restrictionsList, [subjectId]);

export const insertBreakGlass = async (
  tx: Sql,
  row: { readonly id: string; readonly userId: string; readonly subjectId: string; readonly minutes: number },
): Promise<BreakGlassView> =>
  (
    await tx.query<BreakGlassView>(breakGlassInsert, [row.id, row.userId, row.subjectId, row.minutes])
  )[0] as BreakGlassView;
export const lockBreakGlass = async (tx: Sql, id: string): Promise<BreakGlassView | undefined> =>
  (await tx.query<BreakGlassView>(breakGlassLock, [id]))[0];
export const reviewBreakGlassRow = async (
  tx: Sql,
  id: string,
  outcome: 'justified' | 'unjustified',
  reviewer: string,
): Promise<BreakGlassView> =>
  (await tx.query<BreakGlassView>(breakGlassReview, [id, outcome, reviewer]))[0] as BreakGlassView;
export const listBreakGlassRows = (
  sql: Sql,
  isReviewed: boolean | undefined,
  [openedAt, id]: readonly string[] = [],
  limit = 50,
): Promise<BreakGlassView[]> =>
  sql.query<BreakGlassView>(breakGlassList, [isReviewed ?? null, openedAt ?? null, id ?? null, limit]);

export type DisclosureRow = {
  readonly id: string;
  readonly purpose: PhiPurpose;
  readonly disclosed_at: string;
  readonly encrypted: PhiEnvelope;
};
export async function insertDisclosure(tx: Sql, row: DisclosureRow & { readonly subjectId: string }): Promise<void> {
  const encrypted = JSON.stringify(row.encrypted);
  await tx.query(disclosureInsert, [row.id, row.subjectId, row.purpose, row.disclosed_at, encrypted]);
}
/** Of six years, newest first, without these purposes. */
export const listDisclosureRows = (
  sql: Sql,
  subjectId: string,
  without: readonly string[],
  [disclosedAt, id]: readonly string[] = [],
  limit = 50,
): Promise<DisclosureRow[]> =>
  sql.query<DisclosureRow>(disclosuresList, [subjectId, without, disclosedAt ?? null, id ?? null, limit]);
