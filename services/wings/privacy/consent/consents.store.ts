import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { PhiPurpose } from '../phi-shapes.ts';

const CONSENT = `id, purpose, version, granted, terms, ${placeTime('recorded_at')} AS recorded_at`;
/** By index phi_consents_version; a concurrent insert of the same version wins. */
const consentInsert = defineStatement('phiConsentInsert')`
  INSERT INTO phi_consents (id, subject_id, purpose, version, granted, terms)
  SELECT $1, $2, $3, coalesce(max(version), 0) + 1, $4, $5 FROM phi_consents WHERE subject_id = $2 AND purpose = $3
  ON CONFLICT (subject_id, purpose, version) DO NOTHING RETURNING ${CONSENT}`;
const consentNewest = defineStatement('phiConsentNewest')`
  SELECT ${CONSENT} FROM phi_consents WHERE subject_id = $1 AND purpose = $2 ORDER BY version DESC LIMIT 1`;
const consentsNewest = defineStatement('phiConsentsNewest')`
  SELECT DISTINCT ON (purpose) ${CONSENT} FROM phi_consents WHERE subject_id = $1 ORDER BY purpose, version DESC`;
const consentsList = defineStatement('phiConsentsList')`
  SELECT ${CONSENT} FROM phi_consents WHERE subject_id = $1 ORDER BY phi_consents.recorded_at DESC, version DESC LIMIT 500`;

export type ConsentRow = {
  readonly id: string;
  readonly purpose: PhiPurpose;
  readonly version: number;
  readonly granted: boolean;
  readonly terms: string;
  readonly recorded_at: string;
};

/** Undefined when a concurrent request recorded this version first. */
export const insertConsent = async (
  tx: Sql,
  row: Pick<ConsentRow, 'id' | 'purpose' | 'granted' | 'terms'> & { readonly subjectId: string },
): Promise<ConsentRow | undefined> =>
  (await tx.query<ConsentRow>(consentInsert, [row.id, row.subjectId, row.purpose, row.granted, row.terms]))[0];
export const readConsent = async (sql: Sql, subjectId: string, purpose: PhiPurpose): Promise<ConsentRow | undefined> =>
  (await sql.query<ConsentRow>(consentNewest, [subjectId, purpose]))[0];
export const readNewestConsents = (sql: Sql, subjectId: string): Promise<ConsentRow[]> =>
  sql.query<ConsentRow>(consentsNewest, [subjectId]);
/** Newest first, at most five hundred. */
export const listConsentRows = (sql: Sql, subjectId: string): Promise<ConsentRow[]> =>
  sql.query<ConsentRow>(consentsList, [subjectId]);
