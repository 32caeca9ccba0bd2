import { auditRowsRefused } from '#observability/metrics/audit.ts';
import type { Log } from '#services/core/ports.ts';
import { cutText } from '#services/platform/define/cut-text.ts';
import { auditRowRefused } from '../audit-events.ts';
import type { HasLogSigner } from './log-signer.ts';
import type { OutboxRow } from './seal.store.ts';

const KEY_EVENT = /^key\./;
const KID = /^[\w-]{1,128}$/;
/** The actor of an event that takes the place of a refused row. */
const SEALER = 'seal-events';

/**
 * Replaces each row about a key that the vault does not have by the event that the row was refused: any process that may
 * write the outbox can claim a key, and a reader of the log could take the claim for a fact. The row keeps its id and
 * its place, and is sealed as `audit.row_refused`; what it claimed stays in the outbox until its partition is dropped.
 */
export async function refuseKeyEvents(
  { logSigner, log }: HasLogSigner & { readonly log: Log },
  rows: readonly OutboxRow[],
): Promise<OutboxRow[]> {
  const checked: OutboxRow[] = [];
  for (const row of rows) checked.push(KEY_EVENT.test(row.type) && !(await isOwn(logSigner, row)) ? refused(row) : row);
  const claimed = rows.filter((row, at) => row !== checked[at]);
  if (claimed.length > 0) {
    auditRowsRefused.add(claimed.length);
    log.error({ rows: claimed.map(({ id, eventId }) => ({ id, eventId })) }, 'audit rows refused');
  }
  return checked;
}

const isOwn = (signer: HasLogSigner['logSigner'], { type, targetKind, targetId, detail }: OutboxRow) =>
  signer.ownsKey({ type, kid: targetKind === 'key' ? targetId : null, detail });

function refused(row: OutboxRow): OutboxRow {
  const isKid = row.targetKind === 'key' && KID.test(row.targetId ?? '');
  return {
    ...row,
    type: auditRowRefused.type,
    outcome: 'key_unknown',
    actorKind: 'system',
    actorId: SEALER,
    targetKind: isKid ? 'key' : null,
    targetId: isKid ? row.targetId : null,
    clientId: null,
    detail: { claimed_type: cutText(row.type, 64), claimed_actor: row.actorKind, claimed_actor_id: row.actorId },
  };
}
