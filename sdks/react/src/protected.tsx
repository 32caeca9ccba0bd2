'use client';

import type { ReactNode } from 'react';
import { useShared } from './provider.tsx';
import type { User } from './session.ts';
import { SignIn } from './sign-in.tsx';
import { wordsOf } from './texts.ts';

export type ProtectedProps = {
  readonly children: ReactNode | ((user: User) => ReactNode);
  /** Shown to signed-out users; `<SignIn/>` by default. */
  readonly fallback?: ReactNode;
};

/** Shows its children to signed-in users. It only chooses what to show: your server decides about data. */
export function Protected({ children, fallback = <SignIn /> }: ProtectedProps) {
  const { isLoading, user, problem, texts, reload } = useShared();
  if (user !== null) return typeof children === 'function' ? children(user) : children;
  if (isLoading)
    return (
      <p className="sallyport sallyport-said" role="status">
        {texts.loading}
      </p>
    );
  if (problem === null) return fallback;
  return (
    <section className="sallyport sallyport-card">
      <p className="sallyport-said" role="alert" data-problem>
        {wordsOf(problem, texts)}
      </p>
      <button type="button" onClick={() => void reload()}>
        {texts.again}
      </button>
    </section>
  );
}
