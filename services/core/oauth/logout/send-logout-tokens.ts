import { currentTraceparent } from '#observability/http-span.ts';
import { withCausedSpan } from '#observability/job-span.ts';
import { logoutTokensSent } from '#observability/metrics/oauth.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Fence, Ports, Tx } from '#services/core/ports.ts';
import {
  type Attempt,
  allEnded,
  attemptOf,
  type Pace,
  type Subscription,
  sendBatch,
  sendDue,
} from '#services/core/shared/send-batch.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import type { EventDetail } from '#services/platform/define/audit-event.ts';
import { errorCodeOf } from '#services/platform/define/error-code.ts';
import { logoutTokenSent } from '../audit-events.ts';
import { idTokenSigning } from '../claims/id-token.ts';
import {
  deleteLogoutToken,
  giveBackLogoutToken,
  type LogoutTokenRow,
  postponeLogoutToken,
  postponeLogoutTokensOf,
  takeLogoutTokens,
} from './logout-tokens.store.ts';

export { logoutTokensAreDue } from './logout-tokens.store.ts';

export type LogoutTransport = {
  /**
   * Sends a logout token to the address of a client and returns the HTTP status. Rejects if the address is not
   * reachable or not allowed.
   */
  send(
    client: { readonly uri: string; readonly is_vetted: boolean },
    logoutToken: string,
    signal: AbortSignal,
  ): Promise<number>;
};

type HasLogoutTransport = {
  readonly logoutTransport: LogoutTransport;
  readonly tokenSettings: Pick<HasTokenSettings['tokenSettings'], 'issuer' | 'accessTokenSeconds'>;
};

export type SendLogoutPorts = Pick<Ports, 'transact' | 'sql' | 'clock' | 'random' | 'log'> &
  HasKeyRing &
  HasLogoutTransport;

/** Tokens sent concurrently. */
const BATCH = 16;
/** Longer than any attempt. If the worker dies, another one takes the token after this time. */
const LEASE_SECONDS = 60;
/** About 33 attempts. */
const PACE: Pace = { firstPauseSeconds: 5, longestPauseSeconds: 3_600, givenUpSeconds: 86_400 };
/** An attacker may register a client with the address of a victim, so such an address gets few requests. */
const UNVETTED_ATTEMPTS_MAX = 4;
/** Back-Channel Logout §4: preferably at most two minutes. */
const TOKEN_SECONDS = 120;
const EVENT = 'http://schemas.openid.net/event/backchannel-logout';

/**
 * Signs a logout token (Back-Channel Logout §2.4) with the algorithm of the client's ID tokens. Every attempt has the
 * same `jti`, because it reports the same event (RFC 8417 §2.2). Without a nonce, so that it cannot pass for an ID token.
 */
function signLogoutToken({ keyRing, tokenSettings, clock }: SendLogoutPorts, row: LogoutTokenRow): Promise<string> {
  const issuedAt = Math.floor(clock.now() / 1_000);
  return keyRing.sign(
    { typ: 'logout+jwt' },
    {
      iss: tokenSettings.issuer,
      sub: row.user_id,
      aud: row.client_id,
      iat: issuedAt,
      // No token may outlive its key, which is kept for as long as an access token lives.
      exp: issuedAt + Math.min(TOKEN_SECONDS, tokenSettings.accessTokenSeconds),
      jti: row.id,
      sid: row.session_id,
      events: { [EVENT]: {} },
    },
    idTokenSigning(row),
  );
}

/**
 * Sends the logout tokens of ended sessions (OpenID Connect Back-Channel Logout §2.5) until none is due, `signal` aborts
 * or the run's time limit is reached. A failed one is retried with growing pauses and given up after a day; a client that
 * does not answer delays only its own. Delivery is at least once. Unvetted clients get one batch in each run, beside the others, because
 * attackers can register many that answer slowly.
 */
export async function sendLogoutTokens(
  ports: SendLogoutPorts,
  run: { readonly fence: Fence; readonly signal: AbortSignal },
  caller: Caller,
): Promise<{ readonly taken: number }> {
  const taken = await allEnded([
    sendDue(ports, logoutTokensOf(ports, { unvetted: false }, caller), run),
    sendBatch(ports, logoutTokensOf(ports, { unvetted: true }, caller), run),
  ]);
  return { taken: taken.reduce((sum, each) => sum + each, 0) };
}

const originOf = (row: LogoutTokenRow) => (row.is_vetted ? 'admin' : 'unvetted');

/** @param unvetted of clients that no administrator registered, or of the others */
function logoutTokensOf(
  ports: SendLogoutPorts,
  { unvetted }: { readonly unvetted: boolean },
  caller: Caller,
): Subscription<LogoutTokenRow> {
  const record = (
    tx: Tx,
    row: LogoutTokenRow,
    outcome: 'ok' | 'dropped' | 'given_up',
    detail: EventDetail<typeof logoutTokenSent>,
  ): Promise<void> =>
    recordEvent(tx, inTraceOf(caller), logoutTokenSent, {
      outcome,
      target: { kind: 'session', id: row.session_id },
      clientId: row.client_id,
      detail,
    });
  const finish = (row: LogoutTokenRow, outcome: 'ok' | 'dropped', attempts: number): Promise<void> =>
    ports.transact(async (tx) => {
      if (await deleteLogoutToken(tx, row)) await record(tx, row, outcome, { attempts });
    });
  return {
    pace: PACE,
    batch: BATCH,
    claim: (tx, limit) => takeLogoutTokens(tx, unvetted, limit, LEASE_SECONDS),
    prepare: () => ports.keyRing.load(),
    inTrace: ({ attempts, traceparent }, attempt) =>
      withCausedSpan('send logout token', { 'sallyport.job.attempt': attempts }, traceparent, attempt),
    send: async (row, signal) => {
      const { uri, attempts } = row;
      if (uri !== null) return send(ports, { ...row, uri }, signal);
      await finish(row, 'dropped', attempts - 1);
      logoutTokensSent.add(1, { origin: originOf(row), outcome: 'dropped' });
      return null;
    },
    accept: (row) => finish(row, 'ok', row.attempts),
    postpone: async (sql, row, code, seconds) => {
      // No dead letter for an unvetted client: attackers could fill the list.
      if (seconds === null && !row.is_vetted) return deleteLogoutToken(sql, row);
      const isLatest = await postponeLogoutToken(sql, row, code, seconds);
      if (seconds !== null) await postponeLogoutTokensOf(sql, row.client_id, PACE.firstPauseSeconds);
      return isLatest;
    },
    giveBack: giveBackLogoutToken,
    recordGivenUp: (tx, row, code) => record(tx, row, 'given_up', { attempts: row.attempts, code }),
    count: (outcome, row) => logoutTokensSent.add(1, { origin: originOf(row), outcome }),
    fieldsOf: (row) => ({ client_id: row.client_id }),
    failed: 'a logout token could not be sent',
  };
}

/** An audit event has the trace of the request that ended the session. */
function inTraceOf(caller: Caller): Caller {
  const traceparent = currentTraceparent() as string;
  return { ...caller, request: { ...caller.request, traceId: traceparent.slice(3, 35), traceparent } };
}

/** A client that refuses a token may be mended within the day: every failure is retried as long. */
async function send(
  ports: SendLogoutPorts,
  row: LogoutTokenRow & { readonly uri: string },
  signal: AbortSignal,
): Promise<Attempt> {
  const isLast = !row.is_vetted && row.attempts >= UNVETTED_ATTEMPTS_MAX;
  try {
    const { outcome, code } = attemptOf(
      await ports.logoutTransport.send(row, await signLogoutToken(ports, row), signal),
    );
    return { outcome: outcome === 'accepted' ? outcome : 'unreachable', code, isLast };
  } catch (err) {
    return { outcome: 'unreachable', code: errorCodeOf(err), isLast };
  }
}
