import { recordEvent } from '#services/core/audit/record-event.ts';
import { assertHolds } from '#services/core/authority/callers.ts';
import { sessionsManage } from '#services/core/identity/permissions.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import { transmitterChanged } from './audit-events.ts';
import type { NewTransmitter, ReceivedSignalView, TransmitterView } from './contract.ts';
import { transmitterExists, transmitterInvalid, transmitterUnknown } from './errors.ts';
import { deleteTransmitter, insertTransmitter, listTransmitterRows, readSignalsPage } from './signals.store.ts';

const TRANSMITTERS_MAX = 50;
const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

function assertUrl(text: string, what: string): void {
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  const isWeb = parsed?.protocol === 'https:' || parsed?.protocol === 'http:';
  if (parsed === undefined || !isWeb || parsed.username !== '' || parsed.password !== '' || parsed.hash !== '')
    throw transmitterInvalid({ detail: `\`${what}\` must be an https URL without credentials and fragment.` });
}

async function one({ sql }: Pick<Ports, 'sql'>, id: string): Promise<TransmitterView> {
  const [view] = await listTransmitterRows(sql, id);
  if (view === undefined) throw transmitterUnknown();
  return view;
}

/**
 * Throws `transmitter_invalid` (400), `rights_exceeded` (403) for a caller who may not end sessions, `transmitter_exists`
 * (409).
 */
export async function createTransmitter(
  { transact, random, signalAudience }: Pick<Ports, 'transact' | 'random'> & { readonly signalAudience: string },
  input: NewTransmitter,
  caller: Caller,
): Promise<TransmitterView> {
  const { reason, ...asked } = input;
  const { issuer, jwks_uri: jwksUri, provider = null } = asked;
  assertHolds(caller, [sessionsManage.name]);
  assertUrl(issuer, 'issuer');
  assertUrl(jwksUri, 'jwks_uri');
  // Its keys would sign for this installation.
  if (issuer === signalAudience)
    throw transmitterInvalid({ detail: 'The issuer is that of this installation, which signs its events itself.' });
  if (provider === null && !asked.match_email && !asked.own_ids)
    throw transmitterInvalid({
      detail: 'Its events could name no user: give `provider`, or set `match_email` or `own_ids`.',
    });
  const row = { ...asked, id: random.uuid(), audience: asked.audience ?? signalAudience, provider };
  return transact(async (tx) => {
    if (!(await insertTransmitter(tx, row, TRANSMITTERS_MAX))) throw transmitterExists();
    const { match_email, own_ids } = row;
    const detail = { transmitter_id: row.id, issuer, provider, match_email, own_ids, reason };
    await recordEvent(tx, caller, transmitterChanged, { outcome: 'created', detail });
    return one({ sql: tx }, row.id);
  });
}

export const listTransmitters = async ({
  sql,
}: Pick<Ports, 'sql'>): Promise<{ readonly transmitters: TransmitterView[] }> => ({
  transmitters: await listTransmitterRows(sql),
});

type OneTransmitter = { readonly transmitter_id: string };

/** Throws `transmitter_unknown` (404). */
export const readTransmitterView = (
  { sql }: Pick<Ports, 'sql'>,
  { transmitter_id: id }: OneTransmitter,
): Promise<TransmitterView> => one({ sql }, id);

/** Throws `transmitter_unknown` (404). */
export const removeTransmitter = (
  { transact }: Pick<Ports, 'transact'>,
  { transmitter_id: id, reason }: OneTransmitter & { readonly reason: string },
  caller: Caller,
): Promise<TransmitterView> =>
  transact(async (tx) => {
    const view = await one({ sql: tx }, id);
    if (!(await deleteTransmitter(tx, id))) throw transmitterUnknown();
    const detail = { transmitter_id: id, issuer: view.issuer, reason };
    await recordEvent(tx, caller, transmitterChanged, { outcome: 'removed', detail });
    return view;
  });

/** Newest first, one page at a time. Throws `cursor_invalid` (400). */
export async function listReceivedSignals(
  { sql }: Pick<Ports, 'sql'>,
  { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
): Promise<{ readonly signals: ReceivedSignalView[]; readonly next: string | null }> {
  const after = placeOfCursor(cursor, [PLACE.time, UUID]);
  const rows = await readSignalsPage(sql, after, limit + 1);
  const { items, next } = pageOf(rows, limit, (row) => [row.received_at, row.signal_id]);
  return { signals: items, next };
}
