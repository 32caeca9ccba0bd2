import type { SessionView, UserView } from '../contracts/sign-in-contract.ts';
import type { AuthUser } from '../users/auth-user.ts';

export type AuthSession = {
  readonly id: string;
  readonly token: string;
  readonly userId: string;
  readonly expiresAt: Date;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  /** How the user authenticated (RFC 8176) and its assurance level. */
  readonly amr: readonly string[];
  readonly acr: string;
  /** When the user signed in again in this session; null or absent: at `createdAt`. */
  readonly authenticatedAt?: Date | null;
};

export const lastSignInOf = ({ createdAt, authenticatedAt }: AuthSession): Date => authenticatedAt ?? createdAt;

/** The same as `auth_time`, in Unix seconds. */
export const authTimeOf = (session: AuthSession): number => Math.floor(lastSignInOf(session).getTime() / 1_000);

/** A session whose user has signed in again: it goes on, and the cookie with `token` is replaced. */
export type RenewedSession = Pick<AuthSession, 'id' | 'token'>;

/** A user and their live session, as Better Auth returns them. */
export type LiveSession = { readonly user: AuthUser; readonly session: AuthSession };

/** A new session with the cookies that carry it. */
export type OpenedSession = LiveSession & { readonly setCookie: readonly string[] };

export const userView = (
  user: Omit<UserView, 'createdAt' | 'updatedAt'> & Pick<AuthUser, 'createdAt' | 'updatedAt'>,
): UserView => ({
  id: user.id,
  email: user.email,
  emailVerified: user.emailVerified,
  name: user.name,
  image: user.image,
  createdAt: user.createdAt.toISOString(),
  updatedAt: user.updatedAt.toISOString(),
});

export const sessionView = (session: AuthSession): SessionView => ({
  id: session.id,
  userId: session.userId,
  expiresAt: session.expiresAt.toISOString(),
  createdAt: session.createdAt.toISOString(),
  updatedAt: session.updatedAt.toISOString(),
  ipAddress: session.ipAddress,
  userAgent: session.userAgent,
});

/**
 * Better Auth's objects as clients see them. Only the fields named here leave the server, and never the session token.
 */
export const liveSessionView = ({ user, session }: LiveSession): { user: UserView; session: SessionView } => ({
  user: userView(user),
  session: sessionView(session),
});
