import { createContext, useContext, useEffect, useMemo, useState } from 'react';
import { createSallyport } from '../sallyport.js';

const Session = createContext(null);

/** Loads the user once, and gives every component below the user and the acts that change it. */
export function SallyportProvider({ api, oldToken, children }) {
  const sallyport = useMemo(() => createSallyport(api, oldToken), [api, oldToken]);
  const [state, setState] = useState({ isLoading: true, user: null, problem: null });

  useEffect(() => {
    let isShown = true;
    const settle = (change) => isShown && setState({ isLoading: false, user: null, problem: null, ...change });
    sallyport.user().then(
      (user) => settle({ user }),
      (error) => settle({ problem: error.message }),
    );
    return () => {
      isShown = false;
    };
  }, [sallyport]);

  const value = useMemo(() => {
    /** Runs an act that answers with the user; on failure the user stays, and `problem` says why. */
    const changing =
      (act) =>
      async (...input) => {
        try {
          const user = (await act(...input)) ?? null;
          setState({ isLoading: false, user, problem: null });
        } catch (error) {
          setState((before) => ({ ...before, problem: error.message }));
        }
      };
    return {
      ...state,
      signUp: changing(sallyport.signUp),
      signIn: changing(sallyport.signIn),
      rename: changing(sallyport.rename),
      signOut: changing(sallyport.signOut),
      accessToken: sallyport.accessToken,
    };
  }, [sallyport, state]);

  return <Session.Provider value={value}>{children}</Session.Provider>;
}

export const useSallyport = () => useContext(Session);
