import type { HasAuditLogKeys } from '#services/core/audit/read/read-log.ts';
import { validateAuditTrail } from '#services/core/audit/trail/validate-audit-trail.ts';
import type { Ports } from '#services/core/ports.ts';
import { type DatabaseStatus, databaseStatus } from '#services/core/revocations/high-water-marks.ts';
import { readFeedState } from '../restore.store.ts';
import { readFeedFaults, readIdleGuards, readOrphans, readReferences } from './integrity.store.ts';

type IntegrityFinding = {
  readonly kind:
    | 'orphans'
    | 'constraint_not_validated'
    | 'trigger_disabled'
    | 'index_invalid'
    | 'revocations_unnumbered'
    | 'revocations_ahead'
    | 'user_epochs_behind'
    | 'client_epochs_behind'
    | 'audit_log'
    | 'database_rewound';
  /** The table, column, constraint or log that it is about. */
  readonly at: string;
  readonly rows: number;
  /** Ids; at most five. */
  readonly examples: readonly string[];
};

export type IntegrityResult = {
  readonly valid: boolean;
  readonly findings: readonly IntegrityFinding[];
  /** Rows whose counterpart is missing. */
  readonly orphans: number;
  /** References between tables that were checked. */
  readonly references: number;
  /** Sealed events that were verified, with their tiles and signed roots. */
  readonly events: number;
  /** The database compared with its high-water marks; `new`: there are none. */
  readonly standing: DatabaseStatus;
};

const finding = (kind: IntegrityFinding['kind'], at: string, rows: number, examples: readonly string[] = []) =>
  rows > 0 ? [{ kind, at, rows, examples }] : [];

/**
 * Checks what the database cannot be trusted to have kept after a restore, a repair by hand or a fault of the disk:
 * every reference between tables, declared or not; that constraints, triggers and indexes are in force; numbers of the
 * revocation feed; the audit log with its seals; and the high-water marks. Reads whole tables; changes nothing.
 */
export async function validateDataIntegrity(
  ports: Pick<Ports, 'sql' | 'marks'> & HasAuditLogKeys,
): Promise<IntegrityResult> {
  const { sql } = ports;
  // The marks first: the database only advances meanwhile.
  const marks = await ports.marks.read();
  const standing = databaseStatus(await readFeedState(sql), marks);
  const findings: IntegrityFinding[] = [];
  const references = await readReferences(sql);
  for (const reference of references) {
    const { rows, examples } = await readOrphans(sql, reference);
    findings.push(...finding('orphans', `${reference.table}.${reference.column}`, rows, examples));
  }
  const orphans = findings.reduce((all, { rows }) => all + rows, 0);
  for (const { kind, table, name } of await readIdleGuards(sql)) findings.push(...finding(kind, table, 1, [name]));
  const feed = await readFeedFaults(sql);
  const trail = await validateAuditTrail(ports);
  findings.push(
    ...finding('revocations_unnumbered', 'revocations.epoch', feed.unnumbered),
    ...finding('revocations_ahead', 'feed_state.revocation_epoch', feed.ahead),
    ...finding('user_epochs_behind', 'users.tokenEpoch', feed.users),
    ...finding('client_epochs_behind', 'oauth_clients.tokenEpoch', feed.clients),
    ...(trail.valid
      ? []
      : finding(
          'audit_log',
          'audit_events',
          Math.max(1, trail.faultCount),
          trail.faults.slice(0, 5).map(({ code }) => code),
        )),
    ...(standing === 'rewound' ? finding('database_rewound', 'feed_state', 1) : []),
  );
  return {
    valid: findings.length === 0,
    findings,
    orphans,
    references: references.length,
    events: trail.checked,
    standing,
  };
}
