'use client';

import {
  createContext,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from 'react';
import { createSallyport, type Sallyport, type Session, type User } from './session.ts';
import { type Texts, textsIn } from './texts.ts';

type Known = {
  readonly isLoading: boolean;
  readonly user: User | null;
  /** Why the user is not known. */
  readonly problem: unknown;
};

/** What `useSallyport` gives. */
export type SallyportState<S extends Session = Session> = Known & {
  readonly session: S;
  /** Asks again who is signed in. */
  reload(): Promise<void>;
  signOut(): Promise<void>;
};

type Shared = SallyportState & {
  /** Address of Sallyport's own pages; undefined if it is not known. */
  readonly pages: string | undefined;
  readonly texts: Texts;
  /** Says who is signed in since an act of this page. */
  settle(user: User | null): void;
};

const Context = createContext<Shared | undefined>(undefined);

/** The tabs of one origin tell each other that a user signed in or out, and nothing else. */
const CHANNEL = 'sallyport';

const subscribeToNothing = () => () => {};

export type ProviderProps<S extends Session = Session> = {
  /** Base URL of the API; or give a `session`. */
  readonly api?: string;
  /** Made once, outside of components. */
  readonly session?: S;
  /** Language of the texts (BCP 47); that of the page (`<html lang>`) by default. */
  readonly language?: string;
  /** Called when another user, or none, is signed in, in this tab or another one. */
  readonly onChange?: (user: User | null, former: User | null) => void;
  readonly children: ReactNode;
};

/** Loads the user once, and gives it to every component below. */
export function SallyportProvider({ api = '', session: given, language, onChange, children }: ProviderProps) {
  const session = useMemo(() => given ?? createSallyport(api), [given, api]);
  const ofPage = useSyncExternalStore(
    subscribeToNothing,
    () => document.documentElement.lang,
    () => 'en',
  );
  const [known, setKnown] = useState<Known>({ isLoading: true, user: null, problem: null });
  const tabs = useRef<BroadcastChannel>(undefined);
  // An answer that is older than what was asked or done since is not shown.
  const turn = useRef(0);

  const reload = useCallback(async () => {
    turn.current += 1;
    const mine = turn.current;
    const show = (next: (before: Known) => Known): void => {
      if (mine === turn.current) setKnown(next);
    };
    try {
      const user = await session.user();
      show(() => ({ isLoading: false, user, problem: null }));
    } catch (problem) {
      // A user who was known stays: that the API does not answer ends no session.
      show(({ user }) => ({ isLoading: false, user, problem }));
    }
  }, [session]);

  useEffect(() => {
    const channel = new BroadcastChannel(CHANNEL);
    channel.addEventListener('message', () => void reload());
    tabs.current = channel;
    void reload();
    return () => channel.close();
  }, [reload]);

  const former = useRef<User | null>(null);
  const changed = useRef(onChange);
  useEffect(() => {
    changed.current = onChange;
  }, [onChange]);
  useEffect(() => {
    if (known.isLoading || former.current?.id === known.user?.id) return;
    const before = former.current;
    former.current = known.user;
    changed.current?.(known.user, before);
  }, [known]);

  const value = useMemo((): Shared => {
    const settle = (user: User | null): void => {
      turn.current += 1;
      setKnown({ isLoading: false, user, problem: null });
      tabs.current?.postMessage('changed');
    };
    return {
      ...known,
      session,
      pages: (session as Partial<Sallyport>).api || undefined,
      texts: textsIn(language ?? ofPage),
      settle,
      reload,
      signOut: async () => {
        await session.signOut();
        settle(null);
      },
    };
  }, [known, session, language, ofPage, reload]);
  return <Context.Provider value={value}>{children}</Context.Provider>;
}

/** For the components of this package. */
export function useShared(): Shared {
  const shared = useContext(Context);
  if (shared === undefined) throw new Error('It needs a SallyportProvider above it');
  return shared;
}

/** The signed-in user, and the session of the provider above. @example useSallyport<Sallyport>().session.accessToken() */
export function useSallyport<S extends Session = Session>(): SallyportState<S> {
  const { isLoading, user, problem, session, reload, signOut } = useShared();
  return { isLoading, user, problem, session: session as S, reload, signOut };
}
