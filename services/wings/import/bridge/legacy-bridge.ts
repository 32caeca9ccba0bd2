import { legacyValidations } from '#observability/metrics/migration-bridge.ts';
import { readUserState } from '#services/core/identity/users/read-user-state.ts';
import { canonicalBase64url } from '#services/core/jws/canonical-base64url.ts';
import type { JsonObject } from '#services/core/jws/strict-json.ts';
import type { Ports } from '#services/core/ports.ts';
import type { HasRevocations } from '#services/core/revocations/revocation-set.ts';
import { assertVerifiable } from '#services/core/tokens/verify/assert-verifiable.ts';
import { inactiveAnswer } from '#services/core/tokens/verify/inactive-answer.ts';
import type { LegacyBridge } from '#services/core/tokens/verify/legacy-bridge-port.ts';
import type { InactiveReason } from '#services/core/tokens/verify/validation-shapes.ts';
import { type AppError, isAppError } from '#services/platform/define/error.ts';
import { legacySessionEnded, legacyTokenMalformed, legacyTokenRefusals, legacyUserUnknown } from './legacy-errors.ts';
import { findLegacyUser, readLegacySession } from './legacy-sessions.store.ts';
import { isIdToken } from './legacy-token.ts';
import {
  isOlderThanEnd,
  type LegacyTokenPorts,
  type VerifiedLegacySession,
  verifyLegacySession,
} from './validate-legacy-session.ts';

export type LegacyBridgePorts = LegacyTokenPorts & Pick<Ports, 'sql'> & HasRevocations;

/** A session of the old provider that has not ended, and its user. Revocations are checked on every use. */
type KnownSession = {
  readonly userId: string;
  readonly tokenEpoch: number;
  readonly endedAt: Date | null;
  /** Name of its session in the revocation feed. */
  readonly revocationId: string;
  readonly readAtMs: number;
};

/** A verified token of such a session. Its times are checked on every use. */
type Known = { readonly session: VerifiedLegacySession; readonly of: KnownSession; readonly answer: string };

/** Tokens that are remembered, at most 8 kB each, and as many sessions: most issue a new token every few minutes. */
const KNOWN_MAX = 4_096;
/** The feed keeps an end for longer, so no end is missed between two look-ups. */
const KNOWN_MS = 600_000;
const LONGEST_TOKEN = 8_192;

const REASONS: ReadonlyMap<string, InactiveReason> = new Map(
  legacyTokenRefusals.map(([{ definition }, reason]) => [definition.code, reason]),
);
const reasonOf = ({ code }: AppError): InactiveReason | undefined => REASONS.get(code);

/** `iss` of a token, unverified. */
function issuerIn(token: string): unknown {
  if (token.length > LONGEST_TOKEN) return undefined;
  const first = token.indexOf('.');
  const second = token.indexOf('.', first + 1);
  const bytes = second < 0 ? null : canonicalBase64url(token.slice(first + 1, second));
  try {
    return bytes === null ? undefined : (JSON.parse(bytes.toString('utf8')) as { readonly iss?: unknown } | null)?.iss;
  } catch {
    return undefined;
  }
}

/** Looks the user up, and whether the session has ended. Throws `legacy_user_unknown`, `legacy_session_ended`. */
async function lookUp(ports: LegacyBridgePorts, session: VerifiedLegacySession): Promise<KnownSession> {
  const found = await findLegacyUser(ports.sql, session.subject, ports.legacyIssuer?.provider ?? null);
  const userId = found?.user_id ?? null;
  const state = userId === null ? null : await readUserState(ports, userId);
  if (userId === null || found === undefined || state === null || state.isDisabled) throw legacyUserUnknown();
  if ((await readLegacySession(ports.sql, session.id))?.is_ended) throw legacySessionEnded();
  return {
    userId,
    tokenEpoch: state.tokenEpoch,
    endedAt: found.ended_at,
    revocationId: `legacy:${session.id.toString('hex')}`,
    readAtMs: ports.clock.monotonic(),
  };
}

const holdsScope = (granted: unknown, required: string): boolean => {
  const scopes = typeof granted === 'string' ? granted.split(' ') : [];
  return required.split(' ').every((scope) => scope === '' || scopes.includes(scope));
};

/** What a request asks for that the claims do not have. A proof of the key of a bound token cannot be sent with it. */
function objectionTo(claims: JsonObject, audience?: string, requiredScope?: string): InactiveReason | null {
  if (claims.cnf !== undefined) return 'binding_mismatch';
  if (audience !== undefined && ![claims.aud].flat().includes(audience)) return 'wrong_audience';
  return requiredScope === undefined || holdsScope(claims.scope, requiredScope) ? null : 'insufficient_scope';
}

/** Creates the bridge, which remembers so many tokens; null unless LEGACY_BRIDGE_UNTIL is set. */
export function createLegacyBridge(ports: LegacyBridgePorts, knownMax = KNOWN_MAX): LegacyBridge | null {
  const { legacyIssuer, clock, revocations, tokenSettings } = ports;
  if (legacyIssuer === null || legacyIssuer.untilMs === null) return null;
  const { issuer, untilMs } = legacyIssuer;
  const tokens = new Map<string, Known>();
  const sessions = new Map<string, KnownSession>();

  /** Not if its user was ended since, or it was read too long ago. */
  const isCurrent = ({ userId, tokenEpoch, readAtMs }: KnownSession): boolean =>
    clock.monotonic() - readAtMs < KNOWN_MS && (revocations.userEpoch(userId) ?? 0) <= tokenEpoch;

  function keep<T>(kept: Map<string, T>, key: string, value: T): void {
    if (kept.size >= knownMax) kept.delete(kept.keys().next().value as string);
    kept.set(key, value);
  }

  async function sessionOf(session: VerifiedLegacySession): Promise<KnownSession> {
    const key = `${session.id.toString('hex')} ${session.subject}`;
    const found = sessions.get(key);
    if (found !== undefined && isCurrent(found)) return found;
    sessions.delete(key);
    const read = await lookUp(ports, session);
    keep(sessions, key, read);
    return read;
  }

  async function decide(token: string): Promise<Known> {
    const found = tokens.get(token);
    if (found !== undefined && isCurrent(found.of)) return found;
    tokens.delete(token);
    const session = await verifyLegacySession(ports, { token });
    if (isIdToken(session.claims)) throw legacyTokenMalformed();
    const of = await sessionOf(session);
    if (isOlderThanEnd(session, of.endedAt)) throw legacySessionEnded();
    const [userId, claims] = [JSON.stringify(of.userId), JSON.stringify(session.claims)];
    const answer = `{"active":true,"issuer_kind":"legacy","user_id":${userId},"claims":${claims}}`;
    const read = { session, of, answer };
    keep(tokens, token, read);
    return read;
  }

  function recheck({ session, of }: Known): InactiveReason | null {
    const now = clock.now();
    if (now >= untilMs) return 'wrong_issuer';
    if (now / 1_000 >= session.expiresAt + tokenSettings.leewaySeconds) return 'expired';
    return revocations.isSessionEnded(of.revocationId) ? 'session_ended' : null;
  }

  /** A verified token that is active, or why it is not. Throws 503 if nothing can be decided. */
  async function read(token: string, objection: (known: Known) => InactiveReason | null = () => null) {
    try {
      assertVerifiable(ports);
      const found = await decide(token);
      const reason = recheck(found) ?? objection(found);
      legacyValidations.add(1, { outcome: reason === null ? 'active' : 'inactive' });
      return reason ?? found;
    } catch (err) {
      const reason = isAppError(err) ? reasonOf(err) : undefined;
      legacyValidations.add(1, { outcome: reason === undefined ? 'unavailable' : 'inactive' });
      if (reason === undefined) throw err;
      return reason;
    }
  }

  return {
    isFor: (token) => clock.now() < untilMs && issuerIn(token) === issuer,
    async answer({ token, audience, required_scope: requiredScope }) {
      const found = await read(token, ({ session: { claims } }) => objectionTo(claims, audience, requiredScope));
      return typeof found === 'string' ? inactiveAnswer(found) : found.answer;
    },
    async introspect(token) {
      const found = await read(token);
      if (typeof found === 'string') return '{"active":false}';
      const { session, of } = found;
      return JSON.stringify({ ...session.claims, active: true, issuer_kind: 'legacy', user_id: of.userId });
    },
  };
}
