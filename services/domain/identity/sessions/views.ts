import type { SessionView, UserView } from '../contracts/sign-in-contract.ts';
import type { AuthUser } from '../users/auth-user.ts';
import type { AuthSession, LiveSession } from './live-session.ts';

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
