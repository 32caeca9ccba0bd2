import { withCausedSpan } from '#observability/job-span.ts';
import { logoutTokensSent } from '#observability/metrics/oauth.ts';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Fence, Ports, Sql } from '#services/core/ports.ts';
import { allEnded } from '#services/core/shared/all-ended.ts';
import { type RetryPace, retryPauseSeconds } from '#services/core/shared/retry-pause.ts';
import type { HasTokenSettings } from '#services/core/tokens/token-settings.ts';
import type { EventDetail } from '#services/platform/define/audit-event.ts';
import { errorCodeOf } from '#services/platform/define/error-code.ts';
import { logoutTokenSent } from '../audit-events.ts';
import { idTokenSigning } from '../claims/id-token.ts';
import {
  deleteLogoutToken,
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
    client: { readonly uri: string; readonly isVetted: boolean },
    logoutToken: string,
    signal: AbortSignal,
  ): Promise<number>;
};

export type HasLogoutTransport = {
  readonly logoutTransport: LogoutTransport;
  readonly tokenSettings: Pick<HasTokenSettings['tokenSettings'], 'issuer' | 'accessTokenSeconds'>;
};

export type SendLogoutPorts = Pick<Ports, 'transact' | 'clock' | 'random' | 'log'> & HasKeyRing & HasLogoutTransport;

/** Half the time limit of the job: what is left then is sent by the next run. */
const RUN_MS = 60_000;
/** Tokens sent concurrently. */
const BATCH = 16;
/** Longer than any attempt. If the worker dies, another one takes the token after this time. */
const LEASE_SECONDS = 60;
const PACE: RetryPace = { firstSeconds: 5, longestSeconds: 3_600 };
/** With these pauses about 33 attempts. */
const GIVEN_UP_SECONDS = 86_400;
/** An attacker may register a client with the address of a victim, so such an address gets few requests. */
const UNVETTED_ATTEMPTS_MAX = 4;
/** Back-Channel Logout §4: preferably at most two minutes. */
const TOKEN_SECONDS = 120;
const EVENT = 'http://schemas.openid.net/event/backchannel-logout';

/** The client did not accept the token. Its code is the status of its answer. */
class LogoutNotAccepted extends Error {
  readonly code: string;
  constructor(status: number) {
    super(`the client answered with status ${status}`);
    this.name = 'LogoutNotAccepted';
    this.code = `http_${status}`;
  }
}

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
      sub: row.userId,
      aud: row.clientId,
      iat: issuedAt,
      // No token may outlive its key, which is kept for as long as an access token lives.
      exp: issuedAt + Math.min(TOKEN_SECONDS, tokenSettings.accessTokenSeconds),
      jti: row.id,
      sid: row.sessionId,
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
  { fence, signal }: { readonly fence: Fence; readonly signal: AbortSignal },
  caller: Caller,
): Promise<{ readonly taken: number }> {
  async function sendBatch(unvetted: boolean): Promise<number> {
    if (signal.aborted) return 0;
    const rows = await ports.transact(async (tx) => {
      await fence.hold(tx);
      return takeLogoutTokens(tx, unvetted, BATCH, LEASE_SECONDS);
    });
    if (rows.length === 0) return 0;
    await ports.keyRing.load();
    await allEnded(rows.map((row) => deliverTraced(ports, row, signal, caller)));
    return rows.length;
  }
  async function sendVetted(): Promise<number> {
    const startedAt = ports.clock.monotonic();
    let taken = 0;
    for (let batch = await sendBatch(false); batch > 0; batch = await sendBatch(false)) {
      taken += batch;
      if (ports.clock.monotonic() - startedAt >= RUN_MS) break;
    }
    return taken;
  }
  const taken = await allEnded([sendVetted(), sendBatch(true)]);
  return { taken: taken.reduce((sum, each) => sum + each, 0) };
}

/** Makes one attempt in the trace of the request that ended the session; its audit event has that trace's id too. */
const deliverTraced = (
  ports: SendLogoutPorts,
  row: LogoutTokenRow,
  signal: AbortSignal,
  caller: Caller,
): Promise<void> =>
  withCausedSpan('send logout token', { 'sallyport.job.attempt': row.attempts }, row.traceparent, (traceparent) =>
    deliver(ports, row, signal, {
      ...caller,
      request: { ...caller.request, traceId: traceparent.slice(3, 35), traceparent },
    }),
  );

async function deliver(
  ports: SendLogoutPorts,
  row: LogoutTokenRow,
  signal: AbortSignal,
  caller: Caller,
): Promise<void> {
  const { uri, isVetted } = row;
  const origin = isVetted ? 'admin' : 'unvetted';
  const record = (
    tx: Sql,
    outcome: 'ok' | 'dropped' | 'given_up',
    detail: EventDetail<typeof logoutTokenSent>,
  ): Promise<void> =>
    recordEvent(tx, caller, logoutTokenSent, {
      outcome,
      target: { kind: 'session', id: row.sessionId },
      clientId: row.clientId,
      detail,
    });
  const finish = (outcome: 'ok' | 'dropped', attempts: number): Promise<void> =>
    ports.transact(async (tx) => {
      if (await deleteLogoutToken(tx, row)) await record(tx, outcome, { attempts });
    });
  if (uri === null) {
    await finish('dropped', row.attempts - 1);
    logoutTokensSent.add(1, { origin, outcome: 'dropped' });
    return;
  }
  const failure = await send(ports, { ...row, uri }, signal);
  if (failure === null) {
    await finish('ok', row.attempts);
    logoutTokensSent.add(1, { origin, outcome: 'sent' });
    return;
  }
  const fields = { failure, client_id: row.clientId, attempt: row.attempts };
  if (row.ageSeconds <= GIVEN_UP_SECONDS && (isVetted || row.attempts < UNVETTED_ATTEMPTS_MAX)) {
    await ports.transact(async (tx) => {
      await postponeLogoutToken(tx, row, failure, retryPauseSeconds(ports, row.attempts, PACE));
      await postponeLogoutTokensOf(tx, row.clientId, PACE.firstSeconds);
    });
    logoutTokensSent.add(1, { origin, outcome: 'retried' });
    ports.log.warn(fields, 'a logout token could not be sent; retrying');
    return;
  }
  await ports.transact(async (tx) => {
    // No dead letter for an unvetted client: attackers could fill the list.
    const isLatest = isVetted ? await postponeLogoutToken(tx, row, failure, null) : await deleteLogoutToken(tx, row);
    return isLatest ? record(tx, 'given_up', { attempts: row.attempts, code: failure }) : undefined;
  });
  logoutTokensSent.add(1, { origin, outcome: 'given_up' });
  ports.log.error(fields, 'a logout token could not be sent; giving up');
}

/** Makes one attempt. Returns null if the client accepted the token, else the code of the failure. */
async function send(
  ports: SendLogoutPorts,
  row: LogoutTokenRow & { readonly uri: string },
  signal: AbortSignal,
): Promise<string | null> {
  try {
    const status = await ports.logoutTransport.send(row, await signLogoutToken(ports, row), signal);
    if (status < 200 || status > 299) throw new LogoutNotAccepted(status);
    return null;
  } catch (err) {
    return errorCodeOf(err);
  }
}
