import { Protected, SallyportProvider, UserButton } from '@sallyport/react';
import { session, toLogin } from '../lib/session.ts';

/** The header and the page of an account. */
export function Account() {
  return (
    <SallyportProvider session={session} onChange={toLogin}>
      <header>
        <strong>Acme</strong>
        <UserButton />
      </header>
      <main>
        <h1>Account</h1>
        <Protected fallback={null}>
          {({ id, email }) => (
            <dl>
              <dt>Address</dt>
              <dd>{email}</dd>
              <dt>Id, which a route below /api read from the verified token</dt>
              <dd>{id}</dd>
            </dl>
          )}
        </Protected>
      </main>
    </SallyportProvider>
  );
}
