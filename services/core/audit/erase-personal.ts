import type { Caller, Ports, Tx } from '../ports.ts';
import { auditPersonalErased } from './audit-events.ts';
import { eraseSealed, forgetSealedActor, readUnsealedNaming, rewriteUnsealed } from './erase.store.ts';
import { countErasure, lockLog } from './log.store.ts';
import { recordEvent } from './record-event.ts';
import { isOwnId } from './seal/member-rules.ts';
import type { OutboxRow } from './seal/seal.store.ts';
import { splitEvent } from './seal/sealable-event.ts';

type ErasedPersonal = { readonly values: number; readonly unsealed: number };

/**
 * Erases the personal values of a user's events, sealed or not, and records the erasure. Leaves contain only
 * commitments, so every proof stays valid; without its salt a commitment reveals nothing. A batch that a sealer read
 * before the erasure is discarded. The ids of the patients stay.
 * @param input `subject` is the user's id
 */
export const erasePersonal = (
  ports: Pick<Ports, 'transact'>,
  input: { readonly subject: string },
  caller: Caller,
): Promise<ErasedPersonal> =>
  ports.transact(async (tx) => {
    await lockLog(tx);
    await countErasure(tx);
    const erased = await eraseSubject(tx, input.subject);
    await recordEvent(tx, caller, auditPersonalErased, { target: { kind: 'user', id: input.subject }, detail: erased });
    return erased;
  });

async function eraseSubject(tx: Tx, subject: string): Promise<ErasedPersonal> {
  const values = await eraseSealed(tx, subject);
  const rows = (await readUnsealedNaming(tx, subject)).flatMap((row) => without(row, subject) ?? []);
  await rewriteUnsealed(tx, rows);
  // Leaves have the ids that are ours, so forgetting one here would hide nothing.
  if (!isOwnId(subject)) await forgetSealedActor(tx, subject);
  return { values, unsealed: rows.length };
}

/** The row without what its leaf would commit to and the erasure of the user would erase; null if there is nothing. */
function without(row: OutboxRow, subject: string): OutboxRow | null {
  const erased = splitEvent(row).hidden.filter((value) => value.subject === subject);
  if (erased.length === 0) return null;
  const fields = new Set(erased.map(({ field }) => field));
  const others = erased.find(({ field }) => field === 'detail');
  const isErased = (member: string): boolean =>
    fields.has(`detail.${member}`) || (others !== undefined && Object.hasOwn(JSON.parse(others.value), member));
  return {
    ...row,
    detail: Object.fromEntries(Object.entries(row.detail).filter(([member]) => !isErased(member))),
    // A kind of actor without an id would be reported as an event that names no actor.
    actor_id: fields.has('actor') ? 'erased' : row.actor_id,
    client_id: fields.has('client_id') ? null : row.client_id,
    target_kind: fields.has('target') ? null : row.target_kind,
    target_id: fields.has('target') ? null : row.target_id,
    ip_hash: fields.has('ip_hash') ? null : row.ip_hash,
    agent_hash: fields.has('agent_hash') ? null : row.agent_hash,
  };
}
