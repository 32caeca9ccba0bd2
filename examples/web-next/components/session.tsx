'use client';

import { createSallyport, SallyportProvider, type User, UserButton } from '@sallyport/react';
import type { ReactNode } from 'react';
import { forgetAccessToken } from '../lib/access-token.ts';

/** `/api/auth/…` on the origin of the page, which `proxy.ts` rewrites. */
const session = createSallyport('');

/** Whenever a user signs in or out, in this tab or another one, this page goes to where that user belongs. */
function move(user: User | null, former: User | null): void {
  if (former !== null) forgetAccessToken();
  if (user === null) window.location.assign('/login');
  else if (former !== null || window.location.pathname === '/login') window.location.assign(`/tasks/${user.id}`);
}

/** The header of every page, and who is signed in for what is below it. */
export function AppSession({ children }: { readonly children: ReactNode }) {
  return (
    <SallyportProvider session={session} onChange={move}>
      <header>
        <strong>Acme Tasks</strong>
        <UserButton />
      </header>
      <main>{children}</main>
    </SallyportProvider>
  );
}
