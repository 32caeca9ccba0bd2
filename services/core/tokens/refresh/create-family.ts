import { recordEvent } from '#services/core/audit/record-event.ts';
import { actingAgentOf } from '#services/core/authority/callers.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { lacksFactor } from '#services/core/shared/own-factor.store.ts';
import type { Config } from '#services/platform/config/load.ts';
import { secondFactorRequired } from '#services/platform/errors.ts';
import { familyCreated, familyEnded } from '../audit-events.ts';
import type { AuthorizationDetails } from '../authorization-details.ts';
import { strengthOf, type VerifiedFactor } from '../verified-factor-shapes.ts';
import { familyEndPrevious, familyInsert, type NewFamilyRow, sessionLock } from './family-life.store.ts';
import { type FamilyIdle, idleSecondsOf } from './family-token.ts';
import { sessionEnded } from './refresh-errors.ts';
import { mintRefreshToken, nonceHashOf, type RefreshSecrets, uuidToBytes } from './refresh-token-format.ts';

export type NewFamily = {
  readonly user_id: string;
  /** Null for a family without a browser session. */
  readonly session_id: string | null;
  readonly client_id: string;
  /** True when only this client can refresh it, at /oauth2/token; its id is then part of every MAC. */
  readonly is_client_bound: boolean;
  readonly scope: string;
  readonly audience: string;
  /** What its tokens may carry at most (RFC 9396). */
  readonly authorization_details?: AuthorizationDetails | null;
  /** Unix seconds of the sign-in. */
  readonly auth_time: number;
  /** The user approved it in a session, though it has none of its own: a device. */
  readonly is_approved?: true;
  /** What the issuing service verified, for a family without a session. */
  readonly verified_factors?: readonly VerifiedFactor[] | undefined;
  /** Shown to the user in the list of sessions; not secret. */
  readonly device?: Readonly<Record<string, string>>;
  readonly jkt?: string;
  readonly x5t?: string;
  /** Hash of the authorization code it was exchanged for. A second use of the code ends the family. */
  readonly code_id?: Buffer;
};

export type CreatedFamily = NewFamilyRow & {
  readonly family_id: string;
  readonly refresh_token: string;
  readonly generation: 0;
  readonly refresh_expires_in_seconds: number;
};

export type CreateFamilyPorts = Pick<Ports, 'random'> & {
  readonly keyRing: RefreshSecrets;
  readonly revocations: { state(): { readonly incarnation: string } };
  readonly tokenSettings: Pick<Config['tokens'], 'refreshAbsoluteSeconds'> & FamilyIdle;
};

/**
 * Creates a token family in the caller's transaction: its row, its first refresh token and its audit row. It ends the
 * previous live family of the same session and client, whose access tokens stay valid until they expire.
 * Throws `second_factor_required` (401) for a family without a session, if its user has a second factor and none was
 * verified, and `session_ended` (401) when the session has ended, or user or client is deleted or disabled.
 */
export async function createFamily(
  tx: Tx,
  ports: CreateFamilyPorts,
  family: NewFamily,
  caller: Caller,
): Promise<CreatedFamily> {
  const { refreshAbsoluteSeconds } = ports.tokenSettings;
  // A family never outlives its session.
  const session = family.session_id === null ? null : await takeSession(tx, family.session_id, family, caller);
  const lifeSeconds = Math.min(refreshAbsoluteSeconds, session?.seconds_left ?? Number.POSITIVE_INFINITY);
  const verified = session === null && family.verified_factors ? strengthOf(family.verified_factors) : null;
  const idleSeconds = Math.min(idleSecondsOf(ports.tokenSettings, session?.acr ?? verified?.acr), lifeSeconds);
  const familyId = ports.random.uuid();
  const nonce = ports.random.bytes(32);
  const { version: kv, key } = ports.keyRing.secret('refresh');
  const [row] = await tx.query<NewFamilyRow>(familyInsert, [
    familyId,
    idleSeconds,
    lifeSeconds,
    nonceHashOf(nonce),
    kv,
    family.client_id,
    family.is_client_bound,
    family.jkt ?? null,
    family.x5t ?? null,
    family.session_id,
    family.user_id,
    family.scope,
    family.audience,
    family.auth_time,
    JSON.stringify(family.device ?? {}),
    family.code_id ?? null,
    verified?.amr.join(' ') ?? null,
    verified?.acr ?? null,
    family.authorization_details ?? null,
  ]);
  if (row === undefined) throw sessionEnded();
  await assertNoFactorRound(tx, family, row.acr, caller);
  await recordEvent(tx, caller, familyCreated, {
    outcome: 'ok',
    target: { kind: 'family', id: familyId },
    clientId: family.client_id,
    detail: {
      user_id: family.user_id,
      session_id: family.session_id,
      ...(family.verified_factors === undefined ? {} : { verified_factors: family.verified_factors }),
    },
  });
  const { incarnation } = ports.revocations.state();
  const parts = { kv, familyBytes: uuidToBytes(familyId), generation: 0, nonce };
  return {
    family_id: familyId,
    refresh_token: mintRefreshToken(key, incarnation, parts, family.is_client_bound ? family.client_id : ''),
    generation: 0,
    refresh_expires_in_seconds: idleSeconds,
    ...row,
  };
}

/**
 * A family that no session stands behind is a sign-in that passes no door of its own. Asked after the family was inserted: the first
 * factor of an account raises the epoch of its user, so a family of an account without one dies with that. An agent signs no
 * user in: its pair has no roles and ends with it.
 */
async function assertNoFactorRound(
  tx: Tx,
  { session_id: sessionId, user_id: userId, is_approved: isApproved }: NewFamily,
  acr: string | null,
  caller: Caller,
): Promise<void> {
  if (sessionId !== null || isApproved || acr === 'aal2' || actingAgentOf(caller) !== null) return;
  if (await lacksFactor(tx, userId, null)) throw secondFactorRequired();
}

type LockedSession = { readonly seconds_left: number; readonly acr: string };

/** Locks a live session of the user until commit, so that it cannot end meanwhile. Returns undefined when it has ended. */
export async function holdSession(tx: Tx, sessionId: string, userId: string): Promise<LockedSession | undefined> {
  return (await tx.query<LockedSession>(sessionLock, [sessionId, userId]))[0];
}

/** Locks the session until commit, and ends the family that it had with this client. */
async function takeSession(tx: Tx, sessionId: string, family: NewFamily, caller: Caller): Promise<LockedSession> {
  const session = await holdSession(tx, sessionId, family.user_id);
  if (session === undefined) throw sessionEnded();
  const [previous] = await tx.query<{ id: string }>(familyEndPrevious, [sessionId, family.client_id]);
  if (previous === undefined) return session;
  await recordEvent(tx, caller, familyEnded, {
    outcome: 'ok',
    target: { kind: 'family', id: previous.id },
    clientId: family.client_id,
    detail: { user_id: family.user_id, session_id: sessionId, reason: 'superseded' },
  });
  return session;
}
