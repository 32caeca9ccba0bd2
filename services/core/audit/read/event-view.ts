import type { z } from 'zod';
import { auditRowsAltered } from '#observability/metrics/audit.ts';
import type { auditEventView } from '../contract.ts';
import type { ViewRow } from '../events.store.ts';
import { rulesOfType } from '../seal/member-rules.ts';
import { rowMatchesLeaf } from '../trail/trail-row.ts';

export type AuditEventView = z.output<typeof auditEventView>;

/**
 * An event as the API, the CLI and reports show it, with the personal values behind its commitments unless erased. A row
 * that differs from what was sealed is marked `altered`, and its columns are not shown: instead what was sealed, if the
 * tree still has the leaf, else nothing but its place.
 */
export function eventViewOf(row: ViewRow): AuditEventView {
  if (isAsSealed(row)) return shown(row);
  auditRowsAltered.add(1);
  return { ...shown(row.is_in_tree ? sealedContent(row) : unknownContent(row)), altered: true };
}

/**
 * An event for systems of the installation that outlive an erasure, such as a SIEM: what its leaf has, and the names of
 * things and the ids behind its commitments. Without texts, hashes, what concerns a patient, the target of a refused
 * request, and the client ids of unvetted clients, which are URLs.
 */
export function exportedViewOf(row: ViewRow): AuditEventView {
  if (!row.is_in_tree) return { ...shown(unknownContent(row)), altered: true };
  const members = rulesOfType(row.type)?.members;
  const isExported = (field: string, value: string): boolean => {
    if (field === 'target') return row.outcome !== 'refused' && !value.startsWith('subject:');
    if (field === 'actor' || field === 'client_id') return !value.includes('/');
    if (field.startsWith(DETAIL)) return members?.get(field.slice(DETAIL.length))?.belongsTo === 'value';
    return field !== 'detail';
  };
  const fields = isAsSealed(row) ? Object.entries(row.disclosed ?? {}) : [];
  const disclosed = Object.fromEntries(fields.filter(([field, [value]]) => isExported(field, value)));
  return shown({ ...sealedContent(row), disclosed });
}

const isAsSealed = (row: ViewRow): boolean =>
  row.is_in_tree &&
  rowMatchesLeaf(
    row,
    Object.entries(row.disclosed ?? {}).map(([field, [value, salt]]) => ({
      event_id: row.event_id,
      field,
      value,
      salt: Buffer.from(salt, 'base64'),
    })),
  );

const shown = (row: ViewRow): AuditEventView => ({
  seq: row.seq,
  event_id: row.event_id,
  type: row.disclosed?.type?.[0] ?? row.type,
  outcome: row.disclosed?.outcome?.[0] ?? row.outcome,
  actor: { kind: row.actor_kind, id: row.actor_id ?? row.disclosed?.actor?.[0] ?? null },
  target: targetOf(row),
  client_id: row.client_id ?? row.disclosed?.client_id?.[0] ?? null,
  detail: { ...row.detail, ...disclosedMembers(row) },
  trace_id: row.trace_id,
  occurred_at: row.occurred_at,
  sealed_at: row.sealed_at,
});

/** The content of the leaf, without personal values. */
function sealedContent(row: ViewRow): ViewRow {
  const leaf = JSON.parse(row.leaf.toString());
  return {
    ...row,
    event_id: leaf.event_id,
    type: leaf.type,
    outcome: leaf.outcome,
    actor_kind: leaf.actor.kind,
    actor_id: leaf.actor.id ?? null,
    target_kind: leaf.target?.kind ?? null,
    target_id: leaf.target?.id ?? null,
    client_id: leaf.client_id ?? null,
    detail: leaf.detail,
    trace_id: leaf.trace_id ?? null,
    occurred_at: leaf.occurred_at,
    sealed_at: leaf.sealed_at,
    disclosed: null,
  };
}

const unknownContent = (row: ViewRow): ViewRow => ({
  ...row,
  type: 'unknown',
  outcome: 'unknown',
  actor_kind: 'unknown',
  actor_id: null,
  target_kind: null,
  target_id: null,
  client_id: null,
  detail: {},
  trace_id: null,
  disclosed: null,
});

function targetOf({ target_kind: targetKind, target_id: targetId, disclosed }: ViewRow): AuditEventView['target'] {
  if (targetKind !== null) return { kind: targetKind, id: targetId };
  const [, kind, id = ''] = /^([^:]+):(.*)$/s.exec(disclosed?.target?.[0] ?? '') ?? [];
  return kind === undefined ? null : { kind, id };
}

const DETAIL = 'detail.';

function disclosedMembers({ disclosed }: ViewRow): Record<string, unknown> {
  const members: Record<string, unknown> = {};
  for (const [field, [value]] of Object.entries(disclosed ?? {}))
    if (field === 'detail' || field === 'names') Object.assign(members, JSON.parse(value));
    else if (field.startsWith(DETAIL)) members[field.slice(DETAIL.length)] = value;
  return members;
}
