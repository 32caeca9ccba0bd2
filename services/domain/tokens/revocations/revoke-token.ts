import { tokenRevocations } from '#observability/metrics/tokens.ts';
import { FIRST_PARTY_CLIENT_ID } from '#services/domain/access/access-directory.ts';
import { setAuditContext } from '#services/domain/audit/audit-context.ts';
import { recordEvent } from '#services/domain/audit/record-event.ts';
import type { HasKeyRing } from '#services/domain/keys/key-ring.ts';
import type { Caller, Ports, Tx } from '#services/domain/ports.ts';
import { assertFreshLogin, type HasStepUp } from '#services/domain/shared/step-up.ts';
import { permissionMissing } from '#services/platform/errors.ts';
import { tokenRevoked } from '../audit-events.ts';
import { clientUnknown, userUnknown } from '../errors.ts';
import { endFamiliesOfClient, endFamiliesOfSession, endFamiliesOfUser, endFamily } from '../refresh/end-family.ts';
import { checkRefreshToken, familyNamedIn } from '../refresh/refresh-token-format.ts';
import type { HasTokenSettings } from '../token-settings.ts';
import { verifyToken } from '../verify/validate-token.ts';
import { type HasStateConfirmation, lookConfirmed } from './confirm-state.ts';
import type { RevocationKind } from './revocation-log.ts';
import type { HasRevocationPush, HasRevocations } from './revocation-set.ts';
import {
  deleteSession,
  deleteUserSessions,
  insertTokenRevocation,
  readFamilyOwner,
  readRevocationEpoch,
  readSessionOwner,
} from './token-revocation.store.ts';

export type RevokePorts = Pick<Ports, 'transact' | 'sql'> &
  HasKeyRing &
  HasRevocations &
  HasStateConfirmation &
  HasRevocationPush &
  HasTokenSettings;

/** What the asker names; exactly one thing. */
export type RevokeInput = {
  readonly kind: 'token' | 'token_id' | 'session_id' | 'family_id' | 'user_id' | 'client_id';
  readonly value: string;
  readonly reason: string;
};

/** The thing itself, and whose it is as far as that is known. */
export type RevokeTarget = {
  readonly kind: Exclude<RevocationKind, 'key'>;
  readonly value: string;
  readonly userId: string | null;
  readonly clientId: string | null;
  /** Unix seconds, of a token at hand. */
  readonly expiresAt?: number;
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Ids of tokens and logins are lower case in tokens, and revocations are compared with those; RFC 9562 allows both. */
const idIn = (value: string): string => (UUID.test(value.toLowerCase()) ? value.toLowerCase() : value);
/** Beyond expiry and leeway a revocation is kept for clocks that are slow. */
const KEPT_AFTER_EXPIRY_SECONDS = 300;

/**
 * The login of a refresh token or the id of an access token, both genuine; null for anything else. Null is answered as
 * done, so it is never said from what this copy may have missed: keys, a restore, the newest logins. Throws
 * `key_ring_behind`, `store_unavailable` (503).
 */
export const targetOfToken = (ports: RevokePorts, token: string): Promise<RevokeTarget | null> =>
  lookConfirmed(
    ports,
    () => lookForTarget(ports, token),
    (target) => target === null,
  );

async function lookForTarget(ports: RevokePorts, token: string): Promise<RevokeTarget | null> {
  const familyId = familyNamedIn(token);
  if (familyId !== null) {
    const login = await targetOfFamily(ports, familyId);
    // Rows of logins outlive their tokens.
    if (login.clientId === null) return null;
    // Its client alone can use it; every caller who may end the login can end it by the token.
    const boundClientIds = ['', login.clientId];
    const { incarnation } = ports.revocations.state();
    return checkRefreshToken(token, boundClientIds, ports.keyRing, incarnation) === null ? null : login;
  }
  const verified = verifyToken(ports, token);
  if (typeof verified === 'string') return null;
  const { claims } = verified;
  return {
    kind: 'jti',
    value: claims.jti,
    userId: claims.fid === undefined ? null : claims.sub,
    clientId: claims.client_id,
    expiresAt: claims.exp + ports.tokenSettings.leewaySeconds + KEPT_AFTER_EXPIRY_SECONDS,
  };
}

async function targetOfFamily({ sql }: Pick<Ports, 'sql'>, familyId: string): Promise<RevokeTarget> {
  const owner = UUID.test(familyId) ? await readFamilyOwner(sql, familyId) : null;
  return { kind: 'family', value: familyId, userId: owner?.userId ?? null, clientId: owner?.clientId ?? null };
}

async function targetOf(
  ports: RevokePorts,
  { kind, value }: RevokeInput,
  caller: Caller,
): Promise<RevokeTarget | null> {
  switch (kind) {
    case 'token':
      return targetOfToken(ports, value);
    case 'token_id': {
      const id = idIn(value);
      const owner = caller.kind === 'user' && caller.tokenId === id ? caller : { userId: null, clientId: null };
      return { kind: 'jti', value: id, userId: owner.userId, clientId: owner.clientId };
    }
    case 'session_id':
      return { kind: 'sid', value, userId: await readSessionOwner(ports.sql, value), clientId: null };
    case 'family_id':
      return targetOfFamily(ports, idIn(value));
    case 'user_id':
      return { kind: 'user', value, userId: value, clientId: null };
    case 'client_id':
      return { kind: 'client', value, userId: null, clientId: null };
  }
}

/**
 * One's own: what carries the caller's own `sub`. Our own pages end anything of their user; a token given to another
 * client only what was issued to that client; an API key nothing, for it may be in anybody's hands.
 */
function isOwn(target: RevokeTarget, caller: Caller): boolean {
  if (caller.kind === 'user') {
    if (target.userId !== caller.userId || caller.by === 'api_key') return false;
    return caller.clientId === FIRST_PARTY_CLIENT_ID || target.clientId === caller.clientId;
  }
  // A token of the client's own; a user's login through the client is the user's.
  return caller.kind === 'client' && target.userId === null && target.clientId === caller.clientId;
}

/** Ends the target in the transaction, with its audit row. Throws `user_unknown` or `client_unknown` (404). */
async function endTarget(tx: Tx, target: RevokeTarget, reason: string, caller: Caller): Promise<void> {
  await setAuditContext(tx, caller, reason);
  switch (target.kind) {
    case 'jti': {
      const { value: tokenId, userId, clientId, expiresAt = null } = target;
      const isLive = await insertTokenRevocation(tx, { tokenId, reason, userId, clientId, expiresAt });
      if (!isLive) return;
      await recordEvent(tx, caller, tokenRevoked, {
        outcome: 'ok',
        target: { kind: 'token', id: tokenId },
        detail: { reason, user_id: userId, client_id: clientId },
      });
      return;
    }
    case 'family':
      // A family that is gone has no live token left: its rows outlive them.
      if (UUID.test(target.value)) await endFamily(tx, target.value, reason, caller);
      return;
    case 'sid':
      if (await deleteSession(tx, target.value)) return;
      await endFamiliesOfSession(tx, { id: target.value, userId: target.userId }, reason, caller);
      return;
    case 'user':
      // A session left alive would make new tokens at once.
      await deleteUserSessions(tx, target.value);
      if ((await endFamiliesOfUser(tx, target.value, reason, caller)) === null) throw userUnknown();
      return;
    case 'client':
      if ((await endFamiliesOfClient(tx, target.value, reason, caller)) === null) throw clientUnknown();
      return;
  }
}

/** How long the answer waits for this copy to have read its own revocation. */
const APPLY_WAIT_MS = 250;

/** Resolves when this copy's memory has the epoch, or after a short wait: the poll brings it in any case. */
function applied({ revocations }: HasRevocations, epoch: number): Promise<void> {
  if (revocations.state().epoch >= epoch) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      stop();
      resolve();
    };
    const timer = setTimeout(finish, APPLY_WAIT_MS);
    const stop = revocations.onConfirmed(() => {
      if (revocations.state().epoch >= epoch) finish();
    });
  });
}

/** Row, commit, push, then the feed number it got at commit. */
export async function commitRevocation(
  ports: RevokePorts,
  target: RevokeTarget,
  reason: string,
  caller: Caller,
): Promise<{ readonly epoch: number }> {
  await ports.transact(async (tx) => {
    await endTarget(tx, target, reason, caller);
    tx.afterCommit(ports.announceRevocations);
  });
  const written = await readRevocationEpoch(ports.sql, target.kind, target.value);
  if (written !== undefined) await applied(ports, written);
  tokenRevocations.add(1, { kind: target.kind, outcome: 'ok' });
  return { epoch: written ?? ports.revocations.state().epoch };
}

const metricKinds = {
  token: 'jti',
  token_id: 'jti',
  session_id: 'sid',
  family_id: 'family',
  user_id: 'user',
  client_id: 'client',
} as const satisfies Record<RevokeInput['kind'], RevocationKind>;

/**
 * Ends a token, session, family, or everything of a user or client: one's own by right, others' by tokens:revoke.
 * What is not known, or no longer lives, is ended already and no error (RFC 7009 §2.2); a user or client that does
 * not exist is, to those who may know. Returns the revocation's number in the feed: a copy at or past it refuses.
 * Throws `permission_missing` (403), alike for what exists and what does not, and for a person with the right whose
 * login is old `step_up_required` (403); `user_unknown`, `client_unknown` (404),
 * `key_ring_behind`, `store_unavailable` (503).
 */
export async function revokeToken(
  ports: RevokePorts & HasStepUp,
  input: RevokeInput,
  caller: Caller,
): Promise<{ readonly epoch: number }> {
  const target = await targetOf(ports, input, caller);
  if (target === null) return { epoch: ports.revocations.state().epoch };
  if (isOwn(target, caller)) return commitRevocation(ports, target, input.reason, caller);
  const mayRevokeAll = (caller.kind === 'user' || caller.kind === 'client') && caller.permissions.has('tokens:revoke');
  if (!mayRevokeAll && caller.kind !== 'system') {
    tokenRevocations.add(1, { kind: metricKinds[input.kind], outcome: 'refused' });
    await recordEvent(ports.sql, caller, tokenRevoked, {
      outcome: 'refused',
      target: { kind: 'revocation', id: `${target.kind}:${target.value}` },
    });
    throw permissionMissing({ detail: 'What is not one’s own takes the permission tokens:revoke.', isRecorded: true });
  }
  assertFreshLogin(caller, ports.stepUp, { usesPermission: true });
  return commitRevocation(ports, target, input.reason, caller);
}
