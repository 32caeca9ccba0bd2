import { SallyportProvider, SignIn } from '@sallyport/react';
import { session } from '../lib/session.ts';

export function Login() {
  return (
    <SallyportProvider session={session}>
      <header>
        <strong>Acme</strong>
      </header>
      <main>
        <SignIn onSignedIn={() => window.location.assign('/')} />
      </main>
    </SallyportProvider>
  );
}
