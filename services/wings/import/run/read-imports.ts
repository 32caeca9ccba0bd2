import { holds } from '#services/core/authority/callers.ts';
import { usersRead } from '#services/core/identity/permissions.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import type { NoticeView, RejectView } from '../contract.ts';
import { importUnknown } from '../errors.ts';
import {
  countsOfRow,
  type ImportRow,
  readImportRow,
  readImportsPage,
  readNoticeRows,
  readRejects,
} from './imports.store.ts';
import { REJECTS_KEPT } from './run-import.ts';

const IMPORTS_SHOWN = 50;
/** Rejected records, and notices, in an answer. */
export const REJECTS_SHOWN = 100;

export const countsOf = (row: ImportRow) => ({ ...countsOfRow(row), factors_lost: row.factors_lost_count });

/** An import as operators and clients see it. */
const importView = (row: ImportRow) => ({
  import_id: row.id,
  kind: row.kind,
  status: row.state,
  /** Percent of the bytes of the source. */
  progress: row.state === 'done' ? 100 : percentOf(row),
  counts: countsOf(row),
  notices: { ...row.notices },
  reject_reasons: { ...row.reject_reasons },
  hash_formats: { ...row.hash_formats },
  failure: row.failure,
  reason: row.reason,
  created_at: row.created_at,
  finished_at: row.finished_at,
});
export type ImportView = ReturnType<typeof importView>;

const percentOf = ({ position_bytes: read, source_bytes: all }: ImportRow): number =>
  all === 0 ? 0 : Math.min(99, Math.floor((read / all) * 100));

export const readImports = async ({ sql }: Pick<Ports, 'sql'>): Promise<readonly ImportView[]> =>
  (await readImportsPage(sql, undefined, IMPORTS_SHOWN)).map(importView);

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

/** Newest first, one page at a time. Throws `cursor_invalid` (400). */
export async function listImports(
  { sql }: Pick<Ports, 'sql'>,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ readonly imports: ImportView[]; readonly next: string | null }> {
  const after = placeOfCursor(cursor, [PLACE.time, UUID]);
  const rows = await readImportsPage(sql, after, limit + 1);
  const { items, next } = pageOf(rows, limit, ({ created_at: at, id }) => [at, id]);
  return { imports: items.map(importView), next };
}

/** @throws importUnknown (404) */
export async function readImport(
  { sql }: Pick<Ports, 'sql'>,
  { import_id: id }: { readonly import_id: string },
): Promise<ImportView> {
  const row = await readImportRow(sql, id);
  if (row === undefined) throw importUnknown();
  return importView(row);
}

/** Addresses and ids of people are shown to callers who may read users; others see an empty text. */
const shownTo = <T extends { readonly value: string }>(caller: Caller, rows: readonly T[]): T[] =>
  rows.map((row) => (holds(caller, usersRead.name) ? row : { ...row, value: '' }));

/** The same with the first records that it rejected, and the first members that it left out. */
export async function readImportWithRejects(
  ports: Pick<Ports, 'sql'>,
  input: { readonly import_id: string },
  caller: Caller,
): Promise<ImportView & { readonly rejects: RejectView[]; readonly noticed: NoticeView[] }> {
  const view = await readImport(ports, input);
  const rejects = await readRejects(ports.sql, input.import_id, REJECTS_SHOWN);
  const noticed = await readNoticeRows(ports.sql, input.import_id, REJECTS_SHOWN);
  return { ...view, rejects: shownTo(caller, rejects), noticed: shownTo(caller, noticed) };
}

/** Every notice of a run, as far as they are kept. */
export const readNotices = ({ sql }: Pick<Ports, 'sql'>, importId: string): Promise<NoticeView[]> =>
  readNoticeRows(sql, importId, REJECTS_KEPT);

/** Every record that a run rejected, as far as they are kept. */
export const readRejected = ({ sql }: Pick<Ports, 'sql'>, importId: string): Promise<RejectView[]> =>
  readRejects(sql, importId, REJECTS_KEPT);

/** The same as lines of JSON. @throws importUnknown (404) */
export async function readRejectLines(
  ports: Pick<Ports, 'sql'>,
  { import_id: id }: { readonly import_id: string },
  caller: Caller,
): Promise<string> {
  await readImport(ports, { import_id: id });
  return shownTo(caller, await readRejected(ports, id))
    .map((reject) => `${JSON.stringify(reject)}\n`)
    .join('');
}
