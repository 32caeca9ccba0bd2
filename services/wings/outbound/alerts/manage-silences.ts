import { recordEvent } from '#services/core/audit/record-event.ts';
import { actorNameOf } from '#services/core/authority/names.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import { alertSilenced } from './audit-events.ts';
import type { SilenceView } from './contract.ts';
import { silenceInvalid, silenceUnknown } from './errors.ts';
import { endSilenceRow, insertSilence, readSilencesPage, type SilenceRow } from './silences.store.ts';

/** A longer one would be forgotten. */
const LONGEST_MS = 90 * 86_400_000;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

const viewOf = ({ matchers, ...row }: SilenceRow): SilenceView => ({
  ...row,
  matchers: Object.entries(matchers)
    .map(([label, value]) => `${label}=${value}`)
    .sort(),
});

type NewSilence = { readonly matchers: readonly string[]; readonly until: string; readonly reason: string };

/** Throws `silence_invalid` (400). */
export async function createSilence(
  { transact, random, clock }: Pick<Ports, 'transact' | 'random' | 'clock'>,
  { matchers: given, until, reason }: NewSilence,
  caller: Caller,
): Promise<SilenceView> {
  const matchers = Object.fromEntries(
    given.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
  );
  if (Object.keys(matchers).length < given.length) throw silenceInvalid({ detail: 'A label is named twice.' });
  const forMs = Date.parse(until) - clock.now();
  if (forMs <= 0 || forMs > LONGEST_MS) throw silenceInvalid({ detail: 'It must end in the future, within 90 days.' });
  return transact(async (tx) => {
    const row = await insertSilence(tx, {
      silence_id: random.uuid(),
      matchers,
      until,
      reason,
      created_by: actorNameOf(caller),
    });
    const detail = { silence_id: row.silence_id, matchers: given, until: row.until, reason };
    await recordEvent(tx, caller, alertSilenced, { outcome: 'begun', detail });
    return viewOf(row);
  });
}

/** Throws `cursor_invalid` (400). */
export async function listSilences(
  { sql }: Pick<Ports, 'sql'>,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ readonly silences: SilenceView[]; readonly next: string | null }> {
  const after = placeOfCursor(cursor, [PLACE.time, UUID]);
  const rows = await readSilencesPage(sql, after, limit + 1);
  const { items, next } = pageOf(rows, limit, (row) => [row.until, row.silence_id]);
  return { silences: items.map(viewOf), next };
}

/** Throws `silence_unknown` (404). */
export const endSilence = (
  { transact }: Pick<Ports, 'transact'>,
  { silence_id: id, reason }: { readonly silence_id: string; readonly reason: string },
  caller: Caller,
): Promise<SilenceView> =>
  transact(async (tx) => {
    const row = await endSilenceRow(tx, id);
    if (row === undefined) throw silenceUnknown();
    await recordEvent(tx, caller, alertSilenced, { outcome: 'ended', detail: { silence_id: id, reason } });
    return viewOf(row);
  });
