import { sessionsEnded } from '#observability/metrics/identity.ts';
import { setAuditContext } from '#services/core/audit/audit-context.ts';
import { ownerAsking, ownOrUnknown } from '#services/core/authority/own-account.ts';
import { accountRead } from '#services/core/authority/own-scopes.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { PLACE, pageOf, placeOfCursor } from '#services/core/shared/pagination.ts';
import { countReach, familiesOfSessions, type LiveFamily } from '#services/core/tokens/refresh/list-families.ts';
import { type LiveSessionView, REACH_MAX, type ReachView } from '../contracts/admin-contract.ts';
import { sessionUnknown } from '../contracts/sign-in-errors.ts';
import { lockUser } from '../users/accounts.store.ts';
import { type EndSessionPorts, endSession } from './end-session.ts';
import {
  deleteSessions,
  findSessionRow,
  lockSessions,
  readOldestUsed,
  readSessionsPage,
  type SessionRow,
} from './sessions.store.ts';

type ListPorts = Pick<Ports, 'sql'> & { readonly tokenSettings: { readonly twoFactorIdleSeconds: number } };
type PageInput = { readonly limit: number; readonly cursor?: string | undefined };
type SessionList<S> = { readonly sessions: readonly S[]; readonly next: string | null };
/** Sessions listed, or ended in one transaction. */
const AT_ONCE = 100;

type EndPorts = Pick<Ports, 'transact' | 'sql'> & EndSessionPorts;

const sessionView = (row: SessionRow, families: readonly LiveFamily[]): LiveSessionView => ({
  id: row.id,
  user_id: row.userId,
  created_at: row.createdAt,
  expires_at: row.expiresAt,
  ip_address: row.ipAddress,
  user_agent: row.userAgent,
  logins: families.map(({ session_id: _, ...family }) => ({ ...family, device: { ...family.device } })),
});

/** Live sessions with their live token families, newest first. Throws `cursor_invalid` (400). */
export async function listSessions(
  { sql, tokenSettings }: ListPorts,
  {
    user_id: userId,
    client_id: clientId,
    limit,
    cursor,
  }: PageInput & { readonly user_id?: string | undefined; readonly client_id?: string | undefined },
): Promise<SessionList<LiveSessionView>> {
  const before = placeOfCursor(cursor, [PLACE.time, PLACE.id]) ?? [];
  const filter = { userId, clientId };
  const rows = await readSessionsPage(sql, filter, before, limit + 1, tokenSettings.twoFactorIdleSeconds);
  const { items, next } = pageOf(rows, limit, ({ createdAt, id }) => [createdAt, id]);
  const families = await familiesOfSessions(
    { sql },
    items.map(({ id }) => id),
  );
  return { sessions: items.map((row) => sessionView(row, families.get(row.id) ?? [])), next };
}

/**
 * Counts what ends with a user, a client or a session; of the whole installation, if none is named. Never more than
 * `REACH_MAX`, however large the client.
 */
export async function readReach(
  { sql }: Pick<Ports, 'sql'>,
  {
    user_id: userId,
    client_id: clientId,
    session_id: sessionId,
  }: {
    readonly user_id?: string | undefined;
    readonly client_id?: string | undefined;
    readonly session_id?: string | undefined;
  },
): Promise<ReachView> {
  const reach = await countReach({ sql }, { userId, clientId, sessionId }, REACH_MAX + 1);
  const atMost = (count: number): number => Math.min(count, REACH_MAX);
  return {
    logins: atMost(reach.logins),
    sessions: atMost(reach.sessions),
    applications: reach.applications,
    users: atMost(reach.users),
    is_more: reach.logins > REACH_MAX,
  };
}

/**
 * Lists the caller's sessions; `current` is the id of the session that sent the request, or that its token came from.
 * Throws `permission_missing` (403) for callers that do not read the account.
 */
export async function listOwnSessions(
  ports: ListPorts,
  input: PageInput,
  caller: Caller,
): Promise<SessionList<LiveSessionView & { readonly current: boolean }>> {
  const { userId, sessionId } = accountRead(caller, 'own.sessions');
  const { sessions, next } = await listSessions(ports, { ...input, user_id: userId });
  return { sessions: sessions.map((session) => ({ ...session, current: session.id === sessionId })), next };
}

/** The caller's newest live sessions, without their token families. */
export const readOwnSessions = async ({ sql, tokenSettings }: ListPorts, caller: Caller): Promise<SessionRow[]> =>
  readSessionsPage(sql, { userId: ownerAsking(caller).userId }, [], AT_ONCE, tokenSettings.twoFactorIdleSeconds);

/**
 * Ends the caller's sessions with their token families and tokens.
 * @param input.keepsCurrent leaves the session that sent the request
 */
export async function endOwnSessions(
  ports: EndPorts,
  { keepsCurrent }: { readonly keepsCurrent: boolean },
  caller: Caller,
): Promise<void> {
  const { userId, sessionId } = ownerAsking(caller);
  const except = keepsCurrent && sessionId !== null ? [sessionId] : [];
  for (let ended = AT_ONCE; ended === AT_ONCE; ) {
    ended = await ports.transact(async (tx) => {
      await setAuditContext(tx, caller, 'ended_by_user');
      await lockUser(tx, userId);
      const ids = await readOldestUsed(tx, userId, { except, kept: 0, atOnce: AT_ONCE });
      await lockSessions(tx, ids);
      const tokens = await deleteSessions(tx, ids);
      tx.afterCommit(() => sessionsEnded.add(tokens.length, { outcome: 'revoked' }));
      // The answer waits for it: from then on this copy refuses the tokens.
      tx.afterCommit(ports.announceRevocations);
      tx.afterCommit(() => {
        for (const token of tokens) void ports.auth.forget(token);
      });
      return ids.length;
    });
  }
}

/**
 * Ends one of the caller's sessions with its token families and tokens. Throws `session_unknown` (404) for any other.
 */
export async function endOwnSession(
  ports: EndPorts,
  input: { readonly session_id: string },
  caller: Caller,
): Promise<void> {
  const session = ownOrUnknown(await findSessionRow(ports.sql, input.session_id), ownerAsking(caller), sessionUnknown);
  await end(ports, session.id, 'ended_by_user', caller);
}

/** Ends any user's session with its token families and tokens. Throws `session_unknown` (404). */
export async function endAnySession(
  ports: EndPorts,
  input: { readonly session_id: string; readonly reason: string },
  caller: Caller,
): Promise<void> {
  if ((await findSessionRow(ports.sql, input.session_id)) === undefined) throw sessionUnknown();
  await end(ports, input.session_id, input.reason, caller);
}

async function end(ports: EndPorts, sessionId: string, reason: string, caller: Caller): Promise<void> {
  await endSession(ports, { sessionId, reason }, caller);
  sessionsEnded.add(1, { outcome: 'revoked' });
}
