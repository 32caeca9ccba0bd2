'use client';

import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef } from 'react';
import { forgetAccessToken } from './access-token.ts';
import { authClient } from './auth-client.ts';
import type { User } from './auth-types.ts';

export type Credentials = { readonly name?: string; readonly email: string; readonly password: string };

/** `user` is undefined if the account must be verified by mail first. */
type Outcome = { readonly user?: User | undefined; readonly problem?: string };

export type Auth = {
  readonly user: User | undefined;
  readonly isLoading: boolean;
  signUp(credentials: Credentials): Promise<Outcome>;
  signIn(credentials: Credentials): Promise<Outcome>;
  signOut(): Promise<void>;
};

const AuthContext = createContext<Auth | undefined>(undefined);

const messageOf = ({ message }: { readonly message?: string | undefined }): string =>
  message ?? 'The server did not answer. Try again.';

async function signUp({ name = '', email, password }: Credentials): Promise<Outcome> {
  const { data, error } = await authClient.signUp.email({ name, email, password });
  return error ? { problem: messageOf(error) } : { user: (data.user as User | null) ?? undefined };
}

async function signIn({ email, password }: Credentials): Promise<Outcome> {
  const { data, error } = await authClient.signIn.email({ email, password });
  if (error) return { problem: messageOf(error) };
  const user = data.user as User | undefined;
  return user ? { user } : { problem: 'This account has a second factor, which this example does not ask for.' };
}

async function signOut(): Promise<void> {
  await authClient.signOut();
}

/** Gives every component below it the user and the calls that change who is signed in. */
export function AuthProvider({ children }: { readonly children: ReactNode }) {
  const { data: session, isPending: isLoading, error } = authClient.useSession();
  const user = session?.user as User | undefined;

  // When the session ends, in this tab or another one, this page goes to where a new one begins.
  const userId = user?.id;
  const isKnown = !isLoading && !error;
  const formerId = useRef<string>(undefined);
  useEffect(() => {
    if (!isKnown) return;
    const former = formerId.current;
    formerId.current = userId;
    if (former === undefined || former === userId) return;
    forgetAccessToken();
    if (userId === undefined) window.location.assign('/login');
  }, [isKnown, userId]);

  const value = useMemo(() => ({ user, isLoading, signUp, signIn, signOut }), [user, isLoading]);
  return <AuthContext.Provider value={value}>{children}</AuthContext.Provider>;
}

export function useAuth(): Auth {
  const auth = useContext(AuthContext);
  if (auth === undefined) throw new Error('useAuth needs an AuthProvider above it');
  return auth;
}
