import type { Sql } from '#services/core/ports.ts';
import { placeTime } from '#services/core/shared/pagination.ts';
import { definePurge } from '#services/core/shared/purge.store.ts';
import { defineStatement } from '#services/platform/define/statement.ts';
import type { AttestationView } from './contract.ts';

export type AttestationRow = AttestationView & {
  /** By the database's clock. */
  readonly is_expired: boolean;
};

const COLUMNS = `id AS attestation_id, control AS control_id, attester, statement, note, ${placeTime('attested_at')} AS attested_at,
  ${placeTime('expires_at')} AS expires_at, expires_at <= clock_timestamp() AS is_expired`;

const attestationInsert = defineStatement('complianceAttestationInsert')`
  INSERT INTO compliance_attestations (id, control, attester, statement, note, expires_at)
  VALUES ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(days => $6)) RETURNING ${COLUMNS}`;
/** The newest of each control, by the index compliance_attestations_control. */
const attestationsNewest = defineStatement('complianceAttestationsNewest')`
  SELECT DISTINCT ON (control) ${COLUMNS} FROM compliance_attestations ORDER BY control, compliance_attestations.attested_at DESC, id DESC`;

/** Kept for six years after they were last in effect (45 CFR 164.316(b)(2)(i)). */
export const attestationPurge = definePurge({
  table: 'compliance_attestations',
  ends: 'expires_at',
  stays: `interval '6 years 1 day'`,
});

export const insertAttestation = async (
  tx: Sql,
  row: {
    readonly id: string;
    readonly control: string;
    readonly attester: string;
    readonly statement: string;
    readonly note: string;
    readonly validDays: number;
  },
): Promise<AttestationRow> =>
  (
    await tx.query<AttestationRow>(attestationInsert, [
      row.id,
      row.control,
      row.attester,
      row.statement,
      row.note,
      row.validDays,
    ])
  )[0] as AttestationRow;

export const readNewestAttestations = async (sql: Sql): Promise<ReadonlyMap<string, AttestationRow>> =>
  new Map((await sql.query<AttestationRow>(attestationsNewest)).map((row) => [row.control_id, row]));
