import type { ClientPasskey, ClientSession, ClientSignIn, ClientUser } from '../contracts/client-shapes.ts';
import type { SessionView, UserView } from '../contracts/sign-in-contract.ts';
import { type LiveSession, sessionView, userView } from '../sessions/live-session.ts';
import type { SignInAnswer } from '../sessions/open-session.ts';
import type { SessionRow } from '../sessions/sessions.store.ts';
import type { PasskeyRow } from '../users/passkeys.store.ts';

/** Objects as Better Auth's client expects them (`client-shapes.ts`). */

const clientUser = (user: UserView, hasTotp: boolean): ClientUser => ({
  ...user,
  name: user.name ?? '',
  twoFactorEnabled: hasTotp,
});

const clientSession = (session: SessionView): ClientSession => ({ ...session, token: session.id });

export const clientLiveSession = ({ user, session }: LiveSession): { user: ClientUser; session: ClientSession } => ({
  user: clientUser(userView(user), user.twoFactorEnabled === true),
  session: clientSession(sessionView(session)),
});

export const clientSignIn = ({ body: { user, session, tokens }, hasTotp }: SignInAnswer): ClientSignIn => ({
  token: session.id,
  user: clientUser(user, hasTotp),
  session: clientSession(session),
  tokens,
});

export const clientSessionRow = (row: SessionRow): ClientSession => clientSession(row);

export const clientPasskey = ({ createdAt, ...row }: PasskeyRow): ClientPasskey => ({
  ...row,
  createdAt: createdAt.toISOString(),
});
