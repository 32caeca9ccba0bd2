import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Ports, Sql, Tx } from '#services/core/ports.ts';
import { shownUrl } from '#services/core/shared/shown-url.ts';
import { countHandoffs } from '../handoff/pull-handoffs.ts';
import { signalStreamChanged, signalStreamVerified } from './audit-events.ts';
import type { StreamOverview } from './contract.ts';
import { changeStatus } from './manage-streams.ts';
import { queueOf } from './sign-signal.ts';
import type { StreamState } from './signal-shapes.ts';
import { signalStreamUnknown } from './stream-errors.ts';
import { listStreamRows, lockAnyStream, type StreamRow } from './streams.store.ts';

async function overviewOf(sql: Sql, id?: string): Promise<StreamOverview[]> {
  const rows = await listStreamRows(sql, id);
  const queues = await countHandoffs(sql, rows.map(queueOf));
  return rows.map((row) => {
    const queue = queues.find(({ name }) => name === queueOf(row));
    return {
      stream_id: row.id,
      owner: row.owner,
      method: row.method,
      endpoint_url: row.endpoint_url && shownUrl(new URL(row.endpoint_url)),
      events: [...row.events],
      description: row.description,
      status: row.status,
      status_reason: row.status_reason,
      created_at: row.created_at,
      excluded_users: row.excluded,
      waiting: queue?.waiting ?? 0,
      given_up: queue?.given_up ?? 0,
      reached_seq: queue?.reached_seq ?? null,
    };
  });
}

export const listSignalStreams = async ({
  sql,
}: Pick<Ports, 'sql'>): Promise<{ readonly streams: StreamOverview[] }> => ({ streams: await overviewOf(sql) });

type OneStream = { readonly stream_id: string };

async function one(sql: Sql, id: string): Promise<StreamOverview> {
  const [stream] = await overviewOf(sql, id);
  if (stream === undefined) throw signalStreamUnknown();
  return stream;
}

/** Throws `signal_stream_unknown` (404). */
export const readSignalStream = ({ sql }: Pick<Ports, 'sql'>, { stream_id: id }: OneStream): Promise<StreamOverview> =>
  one(sql, id);

async function locked(tx: Tx, id: string): Promise<StreamRow> {
  const row = await lockAnyStream(tx, id);
  if (row === undefined) throw signalStreamUnknown();
  return row;
}

/**
 * What the receiver reads as the reason. The words of the administrator are for colleagues: they stay in the audit log, whose
 * public leaves commit to them.
 */
const BY_ADMINISTRATOR = 'administrator';

/** A paused stream keeps its events; a disabled one begins anew when it is enabled. Throws `signal_stream_unknown` (404). */
export const setSignalStreamStatus = (
  ports: Pick<Ports, 'transact' | 'random'>,
  { stream_id: id, status, reason }: OneStream & { readonly status: StreamState; readonly reason: string },
  caller: Caller,
): Promise<StreamOverview> =>
  ports.transact(async (tx) => {
    await changeStatus(tx, ports, await locked(tx, id), status, BY_ADMINISTRATOR);
    await recordEvent(tx, caller, signalStreamChanged, {
      outcome: 'changed',
      detail: { stream_id: id, status, reason },
    });
    return one(tx, id);
  });

/** The event goes through the log and the queue of the stream, as every other. Throws `signal_stream_unknown` (404). */
export const verifySignalStream = (
  ports: Pick<Ports, 'transact'>,
  { stream_id: id, reason }: OneStream & { readonly reason: string },
  caller: Caller,
): Promise<StreamOverview> =>
  ports.transact(async (tx) => {
    await locked(tx, id);
    await recordEvent(tx, caller, signalStreamVerified, { detail: { stream_id: id, reason } });
    return one(tx, id);
  });
