import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JWTPayload } from 'jose';
import { APPLIED_MAX } from '#services/wings/outbound/signals/receive-signal.ts';
import { type Answer, otherCopy } from '../../http.ts';
import { count, now } from '../../ledger.ts';
import { PRODUCT_URL } from '../../settings.ts';
import type { ChaosStores } from '../../stores.ts';
import type { BoundedSignal } from '../../surface-facts.ts';
import type { User } from '../clients.ts';
import type { Transmitter } from '../transmitter.ts';
import { anyCopy, newToken, REASON, type RowStatements, showToken, type TokenUsable, type Tools } from './surface.ts';

export const signalRows: RowStatements = {
  'signal in a flood': `SELECT encode(jti, 'hex') AS key FROM signals_received`,
};

/** So many signals arrive at once when there is room for half of them. */
const FLOOD = 12;
const ROOM = FLOOD / 2;
/** What a transmitter sent before counts for this time of the flood. */
const FULL_MS = 4_000;
const AGAIN_MS = [500, 1_500] as const;
const PATIENCE_MS = 30_000;
/** An installation has fifty transmitters. */
const TRANSMITTERS_MOST = 40;
/** Of the times and sizes that a receiver takes none is near: also not at a copy whose clock is off. */
const OLD_SECONDS = 1_000_000_000;
const PAD = 'x'.repeat(20_000);

/** Has a transmitter have sent almost all that it may in a minute. False while the database is away. */
export type FillMinute = (issuer: string) => Promise<boolean>;

export const fillMinuteOfSignals =
  ({ query }: Pick<ChaosStores, 'query'>): FillMinute =>
  (issuer) =>
    query(
      `INSERT INTO signals_received (transmitter_id, jti, id, event, outcome, received_at)
       SELECT t.id, sha256(n::text::bytea), gen_random_uuid(), 'session-revoked', 'applied',
         clock_timestamp() - make_interval(secs => ${60 - FULL_MS / 1_000})
       FROM signal_transmitters t, generate_series(1, ${APPLIED_MAX - ROOM}) n WHERE t.issuer = $1 RETURNING 1`,
      [issuer],
    ).then(
      (rows) => rows.length > 0,
      () => false,
    );

/**
 * The most signals of one transmitter that took effect within a minute that ended with one of them. A second less: the
 * product counts a moment after the time that it gives a signal.
 */
export const MOST_IN_A_MINUTE = `
  SELECT issuer, max(n)::int AS most FROM (
    SELECT transmitter_id, count(*) OVER (PARTITION BY transmitter_id ORDER BY received_at
      RANGE BETWEEN interval '59 seconds' PRECEDING AND CURRENT ROW) AS n
    FROM signals_received WHERE outcome = 'applied') counted
  JOIN signal_transmitters t ON t.id = transmitter_id GROUP BY issuer`;

/** Signals that are too old, too large or too many. */
export function createSignalBounds(
  tools: Tools,
  {
    jwks,
    transmitter,
    fillMinute,
  }: { readonly jwks: string; readonly transmitter: Transmitter; readonly fillMinute: FillMinute },
) {
  const { ask, authorization, ledger, random } = tools;
  const headers = { authorization };
  let witness: User;
  let flooded: User;
  let token: TokenUsable | undefined;
  let transmitters = 0;

  async function send(text: string, beyond: BoundedSignal['beyond'], copy = anyCopy(tools)): Promise<Answer> {
    const request = { path: '/ssf/events', text, headers: { 'content-type': 'application/secevent+jwt' } };
    const answer = await ask(copy, request);
    ledger.boundedSignals.push({ beyond, status: answer.status });
    return answer;
  }

  /** What it says never takes effect: the token of its user stays. */
  async function sendRefused(): Promise<void> {
    const of = (more: JWTPayload): Promise<string> => transmitter.sessionRevoked(PRODUCT_URL, witness.id, more);
    await send(await of({ iat: OLD_SECONDS }), 'age');
    await send(await of({ pad: PAD }), 'size');
    if (token) await showToken(tools, token, anyCopy(tools));
    if (token === undefined || random.chance(0.3)) await renewToken();
  }

  async function renewToken(): Promise<void> {
    const { status, body } = await ask(anyCopy(tools), { path: '/v1/tokens', json: { user_id: witness.id }, headers });
    if (status === 201) token = newToken('signals', 'token of a user without signals', body.access_token, []);
  }

  /** Each is sent until it is accepted (RFC 8935 §2.4): none is lost. */
  async function flood(): Promise<void> {
    if (transmitters >= TRANSMITTERS_MOST) return;
    transmitters += 1;
    const issuer = `https://flood-${transmitters}.chaos.test`;
    const json = { issuer, jwks_uri: jwks, own_ids: true, reason: REASON };
    const made = await ask(anyCopy(tools), { path: '/v1/admin/signal-transmitters', json, headers });
    if (made.status !== 201 || !(await fillMinute(issuer))) return;
    await Promise.all(Array.from({ length: FLOOD }, (_, at) => deliver(issuer, at)));
  }

  async function deliver(issuer: string, at: number): Promise<void> {
    const jti = `${issuer} ${at}`;
    const text = await transmitter.sessionRevoked(PRODUCT_URL, flooded.id, { iss: issuer, jti });
    const entry = { surface: 'signals' as const, kind: 'signal in a flood', key: hash('sha256', jti), sentAtMs: now() };
    for (let copy = anyCopy(tools); now() < entry.sentAtMs + PATIENCE_MS; copy = otherCopy(copy)) {
      const { status, answeredAtMs } = await send(text, 'number', copy);
      if (status === 202) {
        ledger.entries.push({ ...entry, ackedAtMs: answeredAtMs });
        return count(ledger, entry.kind);
      }
      if (status > 0 && status < 500 && status !== 429) return;
      await sleep(random.between(...AGAIN_MS));
    }
  }

  return {
    acts: [
      [0.2, sendRefused],
      [0.04, flood],
    ] as const,
    prepare: async () => {
      [witness, flooded] = [await tools.newUser(), await tools.newUser()];
      // The flood also ends the session of the sign-up.
      for (const family of ledger.families.values())
        if (family.userId === flooded.id) family.revocations.push({ cause: 'flood of signals', sentAtMs: now() });
      await sendRefused();
      await flood();
    },
    settle: sendRefused,
  };
}
