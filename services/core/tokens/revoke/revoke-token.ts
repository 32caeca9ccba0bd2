import { tokenRevocations } from '#observability/metrics/tokens.ts';
import { recordEvent, setAuditContext } from '#services/core/audit/record-event.ts';
import { clientOf, FIRST_PARTY_CLIENT_ID, holds, isByApiKey, userOf } from '#services/core/authority/callers.ts';
import { assertRecentSignIn, type HasStepUp } from '#services/core/authority/recent-sign-in.ts';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports, Tx } from '#services/core/ports.ts';
import { confirmIfMissing, type HasStateConfirmation } from '#services/core/revocations/confirm-state.ts';
import type { RevocationKind } from '#services/core/revocations/revocation-log.ts';
import type { HasRevocationPush, HasRevocations } from '#services/core/revocations/revocation-set.ts';
import { undone } from '#services/core/shared/undone.ts';
import { permissionMissing } from '#services/platform/errors.ts';
import { tokenRevoked } from '../audit-events.ts';
import { clientUnknown, userUnknown } from '../errors.ts';
import { tokensRevoke } from '../permissions.ts';
import { endFamiliesOfClient, endFamiliesOfSession, endFamiliesOfUser, endFamily } from '../refresh/end-family.ts';
import { checkRefreshToken, familyNamedIn } from '../refresh/refresh-token-format.ts';
import type { HasTokenSettings } from '../token-settings.ts';
import { verifyToken } from '../verify/validate-token.ts';
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

/** What the caller wants to revoke: exactly one target. */
export type RevokeInput = {
  readonly kind: 'token' | 'token_id' | 'session_id' | 'family_id' | 'user_id' | 'client_id';
  readonly value: string;
  readonly reason: string;
  /** The transaction is undone, so that it refuses what the act refuses. */
  readonly isDryRun?: boolean;
};

/** The target, with its user and client where they are known. */
type RevokeTarget = {
  readonly kind: Exclude<RevocationKind, 'key'>;
  readonly value: string;
  readonly userId: string | null;
  readonly clientId: string | null;
  /** Unix seconds; only when the token itself was sent. */
  readonly expiresAt?: number;
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** RFC 9562 §4 allows upper case, but ids in tokens are lower case, and revocations are compared with these. */
const idIn = (value: string): string => (UUID.test(value.toLowerCase()) ? value.toLowerCase() : value);
/** A revocation is kept this much longer than expiry and leeway, for verifiers with slow clocks. */
const KEPT_AFTER_EXPIRY_SECONDS = 300;

/**
 * The family of a genuine refresh token or the id of a genuine access token; null for any other text. Null is reported
 * to the caller as success, so this copy first confirms its state: it could lack new keys or families, or not have
 * noticed a restore. Throws `key_ring_behind`, `store_unavailable` (503).
 */
export const targetOfToken = (ports: RevokePorts, token: string): Promise<RevokeTarget | null> =>
  confirmIfMissing(
    ports,
    () => lookForTarget(ports, token),
    (target) => target === null,
  );

async function lookForTarget(ports: RevokePorts, token: string): Promise<RevokeTarget | null> {
  const familyId = familyNamedIn(token);
  if (familyId !== null) {
    const family = await targetOfFamily(ports, familyId);
    // The family row was deleted. It is kept longer than its tokens live, so the token has expired.
    if (family.clientId === null) return null;
    // Only its client can refresh with the token, but any caller that may end the family can end it with the token.
    const boundClientIds = ['', family.clientId];
    const { incarnation } = ports.revocations.state();
    return checkRefreshToken(token, boundClientIds, ports.keyRing, incarnation) === null ? null : family;
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
  return { kind: 'family', value: familyId, userId: owner?.user_id ?? null, clientId: owner?.client_id ?? null };
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
      const user = userOf(caller);
      const owner = user?.tokenId === id ? user : { userId: null, clientId: null };
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
 * Whether the target belongs to the caller. The first-party client may revoke everything of its user, another client only
 * what was issued to it, and an API key nothing, because the key may be stolen.
 */
function isOwn(target: RevokeTarget, caller: Caller): boolean {
  const user = userOf(caller);
  if (user !== null) {
    if (target.userId !== user.userId || isByApiKey(user)) return false;
    return user.clientId === FIRST_PARTY_CLIENT_ID || target.clientId === user.clientId;
  }
  // A client-credentials token belongs to the client; a user's family at the client belongs to the user.
  return target.userId === null && target.clientId === clientOf(caller)?.clientId;
}

/** Ends the target in the transaction, with its audit row. Throws `user_unknown` or `client_unknown` (404). */
export async function endTarget(tx: Tx, target: RevokeTarget, reason: string, caller: Caller): Promise<void> {
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
      // A deleted family has no live token left, because its row is kept longer than its tokens live.
      if (UUID.test(target.value)) await endFamily(tx, target.value, reason, caller);
      return;
    case 'sid':
      if (await deleteSession(tx, target.value)) return;
      await endFamiliesOfSession(tx, { id: target.value, userId: target.userId }, reason, caller);
      return;
    case 'user':
      // A live session would get new tokens at once.
      await deleteUserSessions(tx, target.value);
      if ((await endFamiliesOfUser(tx, target.value, reason, caller)) === null) throw userUnknown();
      return;
    case 'client':
      if ((await endFamiliesOfClient(tx, target.value, reason, caller)) === null) throw clientUnknown();
      return;
  }
}

/** How long the response waits for this copy to read the revocation that it wrote. */
const APPLY_WAIT_MS = 250;

/** Resolves when this copy's memory has the epoch, or after `APPLY_WAIT_MS`; the next poll reads it in any case. */
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

/** Writes and commits the revocation, notifies the copies, and returns the epoch that the commit gave it. */
export async function commitRevocation(
  ports: RevokePorts,
  target: RevokeTarget,
  reason: string,
  caller: Caller,
): Promise<{ readonly epoch: number }> {
  await ports.transact(async (tx) => {
    await endTarget(tx, target, reason, caller);
    tx.afterCommit(() => tokenRevocations.add(1, { kind: target.kind, outcome: 'ok' }));
    tx.afterCommit(ports.announceRevocations);
  });
  const written = await readRevocationEpoch(ports.sql, target.kind, target.value);
  if (written !== undefined) await applied(ports, written);
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
 * Revokes a token, a session, a family, or all tokens of a user or client. Revoking a target of another user or client
 * requires tokens:revoke. An unknown or ended target is no error (RFC 7009 §2.2), except that a caller with tokens:revoke
 * learns that a user or client does not exist. Returns the epoch of the revocation: a copy that has read the feed up to
 * it rejects the target. Throws `permission_missing` (403), also for a target that does not exist;
 * `step_up_required` (403) for a user with the permission but no recent sign-in; `user_unknown`, `client_unknown` (404),
 * `key_ring_behind`, `store_unavailable` (503).
 */
export async function revokeToken(
  ports: RevokePorts & HasStepUp,
  { isDryRun = false, ...input }: RevokeInput,
  caller: Caller,
): Promise<{ readonly epoch: number }> {
  if (isDryRun) return revokeToken({ ...ports, transact: undone(ports.transact) }, input, caller);
  const target = await targetOf(ports, input, caller);
  if (target === null) return { epoch: ports.revocations.state().epoch };
  if (isOwn(target, caller)) return commitRevocation(ports, target, input.reason, caller);
  if (!holds(caller, tokensRevoke.name)) {
    tokenRevocations.add(1, { kind: metricKinds[input.kind], outcome: 'refused' });
    await recordEvent(ports.sql, caller, tokenRevoked, {
      outcome: 'refused',
      target: { kind: 'revocation', id: `${target.kind}:${target.value}` },
    });
    throw permissionMissing({ detail: 'Revoking for others requires the permission tokens:revoke.', isRecorded: true });
  }
  assertRecentSignIn(caller, ports.stepUp, { usesPermission: true });
  return commitRevocation(ports, target, input.reason, caller);
}
