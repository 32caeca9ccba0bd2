import { useQuery } from '@tanstack/preact-query';
import { createContext } from 'preact';
import { useContext, useEffect } from 'preact/hooks';
import { type ConsoleSession, queries, readSession } from './api.ts';

const SESSION = ['session'];
/** Windows of the console tell each other that the user has signed in. */
const CHANNEL = 'console.session';

export const useSessionQuery = () => useQuery({ queryKey: SESSION, queryFn: readSession, refetchInterval: 60_000 });

export const SessionContext = createContext<ConsoleSession | undefined>(undefined);

/** The signed-in user. Only below the shell, which shows the sign-in to everybody else. */
export function useSession(): ConsoleSession {
  const session = useContext(SessionContext);
  if (session === undefined) throw new Error('outside the shell');
  return session;
}

/** Whether the user has a permission; pages and acts that need another one are left out. */
export function useCan(): (permission: string | undefined) => boolean {
  const { permissions } = useSession();
  return (permission) => permission === undefined || permissions.includes(permission);
}

export function announceSignIn(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage('signed-in');
  channel.close();
}

/** Reads the session, and everything that failed without one, again once another window has signed in. */
export function useSignInElsewhere(onSignIn: () => void): void {
  useEffect(() => {
    const channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = () => {
      void queries.invalidateQueries();
      onSignIn();
    };
    return () => channel.close();
  }, [onSignIn]);
}

const signInPath = (returnTo: string, isFresh = false): string =>
  `/console/sign-in?${new URLSearchParams({ return: returnTo, ...(isFresh ? { fresh: '1' } : {}) })}`;

/** Leaves the page for the sign-in, and comes back to it. */
export const signInHere = (): void => {
  location.href = signInPath(location.pathname + location.search);
};

/** Opens the sign-in in another window; this page stays as it is. */
export const signInElsewhere = (isFresh: boolean): void => {
  window.open(signInPath('/console/signed-in', isFresh), '_blank', 'popup,width=520,height=760');
};
