import { currentTraceId, currentTraceparent } from '#observability/http-span.ts';
import { setAuditContext } from '../domain/audit/audit-context.ts';
import { updateUserEndpoint } from '../domain/identity/accounts/account-contract.ts';
import { createUser, type NewUser } from '../domain/identity/accounts/create-user.ts';
import { findAccount, lockUser, readSessionRow } from '../domain/identity/accounts/own-account.ts';
import { changeProfile, type ProfileChange } from '../domain/identity/accounts/update-profile.ts';
import { UNNAMED } from '../domain/identity/assurance.ts';
import type { LoginView, SessionView, UserView } from '../domain/identity/contract.ts';
import type { MailPorts } from '../domain/identity/mail/queue-mail.ts';
import { endSession } from '../domain/identity/sessions/end-session.ts';
import { makeRoom } from '../domain/identity/sessions/make-room.ts';
import { personCaller } from '../domain/identity/sign-in/finish-sign-in.ts';
import { type LoginPorts, signIn } from '../domain/identity/sign-in/sign-in.ts';
import { sessionView } from '../domain/identity/views.ts';
import type { Caller, Ports, RequestContext } from '../domain/ports.ts';
import type { ClientInfo } from '../domain/tokens/token-types.ts';
import { requestInvalid, unauthenticated } from '../platform/errors.ts';

export type User = UserView;
export type Session = SessionView;
export type UserRegistrationData = NewUser;
export type LoginCredentials = { readonly email: string; readonly password: string };
export type AuthenticationResult = LoginView;
export type UserUpdates = ProfileChange;

export type SessionValidation = {
  readonly valid: boolean;
  /** Null for a valid session. `unknown`: there is none of this id, or it ended so long ago that nobody remembers. */
  readonly reason: 'expired' | 'revoked' | 'unknown' | null;
  readonly session: Session | null;
};

export type BetterAuthIntegrationPorts = LoginPorts &
  MailPorts &
  Pick<Ports, 'transact'> &
  Pick<RequestContext, 'hashIdentifier'>;

const NOBODY: ClientInfo = { ip: '', userAgent: '' };

/**
 * The use-cases of people for callers in TypeScript that run in the same process. Every method does what its endpoint
 * does, with the same rows, and throws the same errors.
 */
export class BetterAuthIntegrationService {
  readonly #ports: BetterAuthIntegrationPorts;

  constructor(ports: BetterAuthIntegrationPorts) {
    this.#ports = ports;
  }

  #caller({ ip, userAgent }: ClientInfo): Caller {
    const { hashIdentifier } = this.#ports;
    const traceparent = currentTraceparent() ?? '';
    const request = { ip, userAgent, traceId: currentTraceId() ?? '', traceparent, hashIdentifier };
    return { kind: 'system', name: 'identity-service', request };
  }

  /** Row and digest, no session; the digest is in no answer. Throws `email_taken` (409), `password_…` (400). */
  async createUser(data: UserRegistrationData, clientInfo: ClientInfo = NOBODY): Promise<User> {
    return createUser(this.#ports, data, this.#caller(clientInfo));
  }

  /** The same `login_refused` (401) for a wrong password and an unknown address. */
  async authenticateUser(
    credentials: LoginCredentials,
    clientInfo: ClientInfo = NOBODY,
  ): Promise<AuthenticationResult> {
    const { request } = this.#caller(clientInfo);
    const { body } = await signIn(this.#ports, credentials, { kind: 'anonymous', request });
    return body;
  }

  /** Name and picture; anything else is `request_invalid` (400), whatever the compiler let pass. */
  async updateUserProfile(userId: string, updates: UserUpdates): Promise<User> {
    const parsed = updateUserEndpoint.body?.safeParse(updates);
    if (!parsed?.success) throw requestInvalid({ detail: 'Only name and image can be changed.' });
    const owner = personCaller(userId, this.#caller(NOBODY));
    return (await this.#ports.transact((tx) => changeProfile(tx, this.#ports, userId, updates, owner))).user;
  }

  /**
   * A session of somebody whom the caller has recognised by means of its own, in Postgres and in Redis, with the
   * client it is for. It has no cookie. Throws `unauthenticated` (401) where there is no such user.
   */
  async createSession(userId: string, clientInfo: ClientInfo): Promise<Session> {
    const caller = this.#caller(clientInfo);
    const opened = await this.#ports.auth.transact(async (tx) => {
      await setAuditContext(tx, caller, 'session_created');
      await lockUser(tx, userId);
      const account = await findAccount(tx, userId);
      if (!account || account.isDisabled) throw unauthenticated();
      await makeRoom(tx, this.#ports, { userId, replaced: null, reason: 'session_created' }, caller);
      return this.#ports.auth.openSession({ userId, assurance: UNNAMED }, caller.request);
    });
    return sessionView(opened.session);
  }

  /** Ended sessions are known in memory; of the others Postgres tells. Cookies are read from Redis first. */
  async validateSession(sessionId: string): Promise<SessionValidation> {
    const { revocations, sql, clock, tokenSettings } = this.#ports;
    const invalid = (reason: SessionValidation['reason']): SessionValidation => ({
      valid: false,
      reason,
      session: null,
    });
    if (revocations.isSessionEnded(sessionId)) return invalid('revoked');
    const row = await readSessionRow(sql, sessionId, tokenSettings.twoFactorIdleSeconds);
    if (!row) return invalid('unknown');
    if (row.isRested || row.expiresAt.getTime() <= clock.now()) return invalid('expired');
    return row.isDisabled ? invalid('revoked') : { valid: true, reason: null, session: sessionView(row) };
  }

  /** The session with its families and access tokens; the reason is kept with the revocation. */
  async revokeSession(sessionId: string, reason: string): Promise<void> {
    await endSession(this.#ports, { sessionId, reason }, this.#caller(NOBODY));
  }
}
