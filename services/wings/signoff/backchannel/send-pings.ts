import { signOffEvents } from '#observability/metrics/signoff.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Caller, Fence, Ports, Tx } from '#services/core/ports.ts';
import { type Attempt, attemptOf, LEASE_SECONDS, type Pace, sendDue } from '#services/core/shared/send-batch.ts';
import type { EventDetail } from '#services/platform/define/audit-event.ts';
import { errorCodeOf } from '#services/platform/define/error-code.ts';
import { signOffPinged } from '../audit-events.ts';
import { endPing, giveBackPing, type PingRow, pingContext, postponePing, takePings } from './backchannel.store.ts';

type PingTransport = {
  /** Returns the HTTP status. Rejects if the address is not reachable or not allowed. */
  post(
    request: { readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly body: string },
    signal: AbortSignal,
  ): Promise<number>;
};

type SendPingsPorts = Pick<Ports, 'transact' | 'sql' | 'clock' | 'random' | 'log' | 'vault'> & {
  readonly pings: { readonly transport: PingTransport };
};

/** About four minutes: a client that was away polls. */
const ATTEMPTS_MAX = 8;
const PACE: Pace = { firstPauseSeconds: 2, longestPauseSeconds: 120, givenUpSeconds: 3_600 };
const BATCH = 16;

/**
 * Tells clients that people have decided (CIBA Core §10.2): the client then asks for its token. A failed ping is retried
 * with growing pauses and given up; the client may poll at any time. Delivery is at least once.
 */
export async function sendPings(
  ports: SendPingsPorts,
  run: { readonly fence: Fence; readonly signal: AbortSignal },
  caller: Caller,
): Promise<{ readonly taken: number }> {
  const record = (
    tx: Tx,
    row: PingRow,
    outcome: 'ok' | 'dropped' | 'given_up',
    detail: EventDetail<typeof signOffPinged>,
  ): Promise<void> =>
    recordEvent(tx, caller, signOffPinged, {
      outcome,
      target: { kind: 'signoff', id: row.id },
      clientId: row.client_id,
      detail,
    });
  const finish = (row: PingRow, outcome: 'ok' | 'dropped', attempts: number): Promise<void> =>
    ports.transact(async (tx) => {
      if (await endPing(tx, row)) await record(tx, row, outcome, { attempts });
    });
  const taken = await sendDue<PingRow>(
    ports,
    {
      pace: PACE,
      batch: BATCH,
      claim: (tx, limit) => takePings(tx, limit, LEASE_SECONDS),
      send: async (row, signal) => {
        const { uri, attempts } = row;
        if (uri !== null) return send(ports, { ...row, uri }, signal);
        await finish(row, 'dropped', attempts - 1);
        return null;
      },
      accept: (row) => finish(row, 'ok', row.attempts),
      postpone: (sql, row, code, seconds) =>
        seconds === null ? endPing(sql, row) : postponePing(sql, row, code, seconds),
      giveBack: giveBackPing,
      recordGivenUp: (tx, row, code) => record(tx, row, 'given_up', { attempts: row.attempts, code }),
      count: (outcome) => signOffEvents.add(1, { event: `ping_${outcome}` }),
      fieldsOf: (row) => ({ client_id: row.client_id, signoff_id: row.id }),
      failed: 'a client could not be pinged',
    },
    run,
  );
  return { taken };
}

async function send(
  { vault, pings }: SendPingsPorts,
  row: PingRow & { readonly uri: string },
  signal: AbortSignal,
): Promise<Attempt> {
  const isLast = row.attempts >= ATTEMPTS_MAX;
  try {
    const ping = JSON.parse(vault.open(row.sealed, pingContext(row.id)).toString());
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${ping.token}` };
    const body = JSON.stringify({ auth_req_id: ping.auth_req_id });
    const { outcome, code } = attemptOf(await pings.transport.post({ url: row.uri, headers, body }, signal));
    return { outcome: outcome === 'accepted' ? outcome : 'unreachable', code, isLast };
  } catch (err) {
    return { outcome: 'unreachable', code: errorCodeOf(err), isLast };
  }
}
