import { recordEvent, setAuditContext } from '../core/audit/record-event.ts';
import { createUser, type NewUser } from '../core/identity/accounts/create-user.ts';
import { findAccount, lockUser, readSessionRow } from '../core/identity/accounts/read-account.ts';
import { changeProfile, type ProfileChange } from '../core/identity/accounts/update-profile.ts';
import { userLogin } from '../core/identity/audit-events.ts';
import { updateUserEndpoint } from '../core/identity/contracts/account-contract.ts';
import type { SessionView, UserView } from '../core/identity/contracts/sign-in-contract.ts';
import type { MailPorts } from '../core/identity/mail/queue-mail.ts';
import { admitSession } from '../core/identity/sessions/admit-session.ts';
import { endSession } from '../core/identity/sessions/end-session.ts';
import { sessionView } from '../core/identity/sessions/live-session.ts';
import { makeRoom } from '../core/identity/sessions/make-room.ts';
import { userCaller } from '../core/identity/sign-in/finish-sign-in.ts';
import { type SignInPorts, signIn } from '../core/identity/sign-in/sign-in.ts';
import { verifiedElsewhere } from '../core/identity/users/verified-elsewhere.ts';
import type { Caller, Ports, RequestContext } from '../core/ports.ts';
import type { ClientInfo, TokenPair } from '../core/tokens/token-types.ts';
import type { VerifiedFactor } from '../core/tokens/verified-factor-shapes.ts';
import { isAppError } from '../platform/define/error.ts';
import { requestInvalid, unauthenticated } from '../platform/errors.ts';
import { serviceCaller } from './service-caller.ts';
import { type TokenPairPorts, tokenPairOf } from './token-pair.ts';

export type User = UserView;
export type Session = SessionView;
export type UserRegistrationData = NewUser;
export type LoginCredentials = { readonly email: string; readonly password: string };
export type AuthenticationResult = { readonly user: User; readonly session: Session; readonly tokens: TokenPair };
export type UserUpdates = ProfileChange;

export type SessionValidation = {
  readonly valid: boolean;
  /** Null for a valid session. `unknown`: no session has this id, or it ended so long ago that its record was purged. */
  readonly reason: 'expired' | 'revoked' | 'unknown' | null;
  readonly session: Session | null;
};

export type BetterAuthIntegrationPorts = SignInPorts &
  MailPorts &
  TokenPairPorts &
  Pick<Ports, 'transact'> &
  Pick<RequestContext, 'hashIdentifier'>;

/**
 * The identity use-cases for TypeScript code in the same process. Every method does what its endpoint does: it writes
 * the same rows and throws the same errors.
 */
export class BetterAuthIntegrationService {
  readonly #ports: BetterAuthIntegrationPorts;

  constructor(ports: BetterAuthIntegrationPorts) {
    this.#ports = ports;
  }

  #caller(clientInfo?: ClientInfo): Caller {
    return serviceCaller('identity-service', clientInfo, this.#ports);
  }

  /**
   * Creates a user with a password, opens no session and mails a verification link. Throws `email_taken` (409),
   * `password_…` (400).
   */
  async createUser(data: UserRegistrationData, clientInfo?: ClientInfo): Promise<User> {
    return createUser(this.#ports, data, this.#caller(clientInfo));
  }

  /**
   * Signs a user in; `tokens` is a pair as `JWTTokenService` returns it. Throws the same `login_refused` (401) for a wrong
   * password and an unknown address.
   */
  async authenticateUser(credentials: LoginCredentials, clientInfo?: ClientInfo): Promise<AuthenticationResult> {
    const { request } = this.#caller(clientInfo);
    const { body } = await signIn(this.#ports, credentials, { kind: 'anonymous', request });
    return { ...body, tokens: tokenPairOf(this.#ports, body.tokens) };
  }

  /** Changes name and picture. Any other member, also one that the compiler missed, throws `request_invalid` (400). */
  async updateUserProfile(userId: string, updates: UserUpdates): Promise<User> {
    const parsed = updateUserEndpoint.body?.safeParse(updates);
    if (!parsed?.success) throw requestInvalid({ detail: 'Only name and image can be changed.' });
    const owner = userCaller(userId, this.#caller());
    return (await this.#ports.transact((tx) => changeProfile(tx, this.#ports, userId, updates, owner))).user;
  }

  /**
   * Opens a session for a user that your application has authenticated itself, and records the client's address and
   * user agent with it. It sets no cookie. `verifiedFactors` says what your application verified; the audit log keeps it.
   * Throws `unauthenticated` (401) for an unknown or disabled user, and `second_factor_required` (401), with a challenge for
   * `POST /api/auth/second-factor`, for an account with a second factor of which it names none.
   */
  async createSession(
    userId: string,
    clientInfo: ClientInfo,
    { verifiedFactors = [] }: { readonly verifiedFactors?: readonly VerifiedFactor[] } = {},
  ): Promise<Session> {
    const caller = this.#caller(clientInfo);
    const assurance = verifiedElsewhere(verifiedFactors);
    const detail = { factor: 'application', verified_factors: verifiedFactors };
    const opened = await this.#ports.auth.transact(async (tx) => {
      await setAuditContext(tx, caller, 'session_created');
      await lockUser(tx, userId);
      const account = await findAccount(tx, userId);
      if (!account || account.isDisabled) throw unauthenticated();
      const admission = await admitSession(tx, this.#ports, { userId, assurance, detail }, caller);
      if (isAppError(admission)) return admission;
      await makeRoom(tx, this.#ports, { userId, former: null, reason: 'session_created' }, caller);
      await recordEvent(tx, caller, userLogin, { outcome: 'ok', target: { kind: 'user', id: userId }, detail });
      return this.#ports.auth.openSession({ admission }, caller.request);
    });
    if (isAppError(opened)) throw opened;
    return sessionView(opened.session);
  }

  /** Checks ended sessions in memory, and the others in Postgres. Never throws for an invalid session. */
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
    if (row.isIdle || row.expiresAt.getTime() <= clock.now()) return invalid('expired');
    return row.isDisabled ? invalid('revoked') : { valid: true, reason: null, session: sessionView(row) };
  }

  /** Ends a session with its token families and access tokens, and stores the reason with the revocation. */
  async revokeSession(sessionId: string, reason: string): Promise<void> {
    await endSession(this.#ports, { sessionId, reason }, this.#caller());
  }
}
