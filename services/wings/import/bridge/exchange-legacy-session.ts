import { hash } from 'node:crypto';
import { logins } from '#observability/metrics/identity.ts';
import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import { loginRefused } from '#services/core/identity/contracts/sign-in-errors.ts';
import { draftSignIn, type SignInAnswer, type SignInDraft } from '#services/core/identity/sessions/open-session.ts';
import { findByCookie } from '#services/core/identity/sessions/read-session.ts';
import {
  type AdmittedCarry,
  admitCarriedSession,
  type CarriedOver,
  carryOverSession,
} from '#services/core/identity/sign-in/carry-over-session.ts';
import { signOrEnd, userCaller } from '#services/core/identity/sign-in/finish-sign-in.ts';
import type { SignInPorts } from '#services/core/identity/sign-in/sign-in.ts';
import type { Assurance } from '#services/core/identity/users/assurance.ts';
import { factorVerified } from '#services/core/identity/users/factor-proof.ts';
import { findVerifiedUser } from '#services/core/identity/users/find-verified-user.ts';
import { readUserState } from '#services/core/identity/users/read-user-state.ts';
import type { Caller, Sql, Tx } from '#services/core/ports.ts';
import { assertMayIssue } from '#services/core/revocations/revocation-set.ts';
import { idempotentRequest, workOnce } from '#services/core/tokens/issue/idempotency.ts';
import { type AppError, isAppError } from '#services/platform/define/error.ts';
import { secondFactorRequired } from '#services/platform/errors.ts';
import { legacySessionExchanged } from './audit-events.ts';
import { legacySessionEnded, legacyTokenBound, legacyUserUnknown } from './legacy-errors.ts';
import type { HasLegacyIssuer } from './legacy-issuer.ts';
import { findLegacyUser, keepLegacySession, linkLegacyUser, readLegacySession } from './legacy-sessions.store.ts';
import type { LegacyStrength } from './legacy-token.ts';
import {
  isOlderThanEnd,
  type LegacySession,
  type VerifiedLegacySession,
  verifyLegacySession,
} from './validate-legacy-session.ts';

export type ExchangePorts = SignInPorts & HasLegacyIssuer;
type ExchangeInput = LegacySession & {
  /** The Cookie header of the browser. */
  readonly cookie?: string | undefined;
};

/** Within this time a repeated request is a retry, and gets the same tokens; later it gets new ones. */
const RETRY_SECONDS = 60;
/** A session whose sign-in has no known time is as old as this: too old for every act that asks for a recent sign-in. */
const UNKNOWN_AGE_SECONDS = 30 * 86_400;

/** The old provider vouches for what its token says of the sign-in there. */
const assuranceOf = ({ amr, isTwoFactors }: LegacyStrength): Assurance =>
  isTwoFactors ? { amr, acr: 'aal2', proof: factorVerified(amr) } : { amr, acr: 'aal1' };

type Recognised = { readonly userId: string; readonly linkedBy: 'import' | 'address' };

/** By the import; otherwise by an address that both sides have verified. Throws `legacy_user_unknown` (401). */
async function recognise(
  sql: Sql,
  { legacyIssuer }: HasLegacyIssuer,
  session: VerifiedLegacySession,
): Promise<Recognised> {
  const found = await findLegacyUser(sql, session.subject, legacyIssuer?.provider ?? null);
  if (found !== undefined) {
    if (found.user_id === null) throw legacyUserUnknown();
    if (isOlderThanEnd(session, found.ended_at)) throw legacySessionEnded();
    return { userId: found.user_id, linkedBy: 'import' };
  }
  const userId = session.verifiedEmail === null ? null : await findVerifiedUser({ sql }, session.verifiedEmail);
  if (userId === null) throw legacyUserUnknown();
  return { userId, linkedBy: 'address' };
}

async function verifyExchangeable(ports: ExchangePorts, token: string): Promise<VerifiedLegacySession> {
  const session = await verifyLegacySession(ports, { token });
  if (session.claims.cnf !== undefined) throw legacyTokenBound();
  return session;
}

/** The account that a session of the old provider would be exchanged for. */
export type LegacyAccount = { readonly userId: string; readonly email: string };

async function readAccount(ports: ExchangePorts, token: string): Promise<LegacyAccount> {
  const session = await verifyExchangeable(ports, token);
  if ((await readLegacySession(ports.sql, session.id))?.is_ended) throw legacySessionEnded();
  const { userId } = await recognise(ports.sql, ports, session);
  const account = await readUserState(ports, userId);
  if (account === null || account.isDisabled) throw legacyUserUnknown();
  return { userId, email: account.email };
}

async function exchange(ports: ExchangePorts, { token, cookie }: ExchangeInput, caller: Caller): Promise<SignInAnswer> {
  const session = await verifyExchangeable(ports, token);
  const former = await findByCookie(ports, cookie);
  const key = hash('sha256', token, 'base64url');
  const request = idempotentRequest(ports, caller, key, 'exchangeLegacySession', {});
  const { authTime } = session.strength;
  const signedInSeconds = authTime ?? Math.floor(ports.clock.now() / 1_000) - UNKNOWN_AGE_SECONDS;
  let isReplay = true;

  async function open(
    tx: Tx,
    { userId, linkedBy }: Recognised,
    carried: CarriedOver,
    admitted: AdmittedCarry,
  ): Promise<SignInDraft> {
    isReplay = false;
    const provider = ports.legacyIssuer?.provider ?? null;
    if (linkedBy === 'address' && !(await linkLegacyUser(tx, session.subject, provider, userId)))
      throw legacyUserUnknown();
    const { signedIn, isNew } = await carryOverSession(tx, ports, carried, admitted, caller);
    if (!(await keepLegacySession(tx, session.id, userId, signedIn.session.id))) throw legacySessionEnded();
    await recordEvent(tx, userCaller(userId, caller), legacySessionExchanged, {
      outcome: 'ok',
      target: { kind: 'user', id: userId },
      detail: { session_id: signedIn.session.id, repeated: !isNew, linked_by: linkedBy },
    });
    return draftSignIn(ports, signedIn);
  }

  const draft = await ports.auth.transact(async (tx): Promise<SignInDraft | AppError> => {
    await setAuditContext(tx, caller, 'legacy_session');
    const known = await readLegacySession(tx, session.id);
    if (known?.is_ended) throw legacySessionEnded();
    const recognised = await recognise(tx, ports, session);
    const carried: CarriedOver = {
      userId: recognised.userId,
      assurance: assuranceOf(session.strength),
      signedInAt: new Date(signedInSeconds * 1_000),
      former,
      cookie,
      legacySession: session.id,
      sessionOf: async () => (await readLegacySession(tx, session.id))?.session_id ?? null,
      detail: { factor: 'legacy_session' },
    };
    // Before a stored answer is replayed: it may have the session of a browser that proved more than this token does.
    const admitted = await admitCarriedSession(tx, ports, carried, caller);
    if (isAppError(admitted)) return admitted;
    const renew = async (kept: SignInDraft): Promise<SignInDraft> => {
      // A concurrent first request has committed since.
      if ((await readLegacySession(tx, session.id))?.is_ended) throw legacySessionEnded();
      const ageSeconds = ports.clock.now() / 1_000 - kept.claims.iat;
      return Math.abs(ageSeconds) <= RETRY_SECONDS ? kept : open(tx, recognised, carried, admitted);
    };
    return workOnce(tx, ports.random, { request, status: 200, renew }, () => open(tx, recognised, carried, admitted));
  });
  if (isAppError(draft)) throw draft;
  const person = userCaller(draft.body.user.id, caller);
  return signOrEnd(ports, draft, { cookie, isKept: true, isReplay }, person);
}

const recordRefusal = (ports: ExchangePorts, caller: Caller, code: string): Promise<void> =>
  recordEvent(ports.sql, caller, legacySessionExchanged, { outcome: 'refused', detail: { code } });

/**
 * The account that `exchangeLegacySession` would sign in, so that a page can name it first. Opens no session.
 * @throws what `exchangeLegacySession` throws for a token that it refuses
 */
export async function showLegacyAccount(
  ports: ExchangePorts,
  { token }: LegacySession,
  caller: Caller,
): Promise<LegacyAccount> {
  try {
    return await readAccount(ports, token);
  } catch (err) {
    if (isAppError(err) && err.definition.status < 404) await recordRefusal(ports, caller, err.code);
    throw err;
  }
}

/**
 * Exchanges a live session of the old provider for a session and token pair here, without a sign-in. The same session of
 * the old provider is always the same session here, however many requests there are; its factors and the time of its
 * sign-in are kept, and never raised. An account that has a second factor here is asked for it once, if the token does not
 * prove one: the session that answers the challenge continues that of the old provider.
 * @throws secondFactorRequired (401 with a challenge), the `legacy_token_…` errors, legacyUserUnknown, legacySessionEnded, legacyBridgeEnded (401), emailUnverified
 *   (403), legacyNotConfigured (404), legacyKeysUnavailable, signingUnavailable, storeUnavailable (503)
 */
export async function exchangeLegacySession(
  ports: ExchangePorts,
  input: ExchangeInput,
  caller: Caller,
): Promise<SignInAnswer> {
  assertMayIssue(ports.revocations);
  try {
    const answer = await exchange(ports, input, caller);
    logins.add(1, { outcome: 'ok', factor: 'legacy_session' });
    return answer;
  } catch (err) {
    // A disabled account is answered as an unknown one.
    const refusal =
      isAppError(err) && err.code === loginRefused.definition.code ? legacyUserUnknown({ cause: err }) : err;
    const isRefused = isAppError(refusal) && refusal.definition.status < 500;
    const isAsked = isRefused && refusal.code === secondFactorRequired.definition.code;
    logins.add(1, {
      outcome: isAsked ? 'second_factor_asked' : isRefused ? 'refused' : 'unavailable',
      factor: 'legacy_session',
    });
    if (isRefused && !isAsked && refusal.definition.status < 404) await recordRefusal(ports, caller, refusal.code);
    throw refusal;
  }
}
