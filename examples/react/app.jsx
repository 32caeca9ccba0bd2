import { createSallyport, Protected, SallyportProvider, UserButton, useSallyport } from '@sallyport/react';
import { useState } from 'react';
import { createRoot } from 'react-dom/client';
import { API } from '../config.js';

/** While you move here from another provider: a token of the session there, as Clerk's script gives it. */
const session = createSallyport(API, async () => window.Clerk?.session?.getToken());

function Account({ user }) {
  const { reload } = useSallyport();
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState('');
  const act = (work) => {
    setProblem('');
    work().catch((error) => setProblem(error.message));
  };
  const submit = (event) => {
    event.preventDefault();
    const name = event.currentTarget.elements.name.value;
    act(async () => {
      await session.rename(name);
      await reload();
    });
  };
  return (
    <form onSubmit={submit}>
      <h1>Your account</h1>
      <label>
        Name <input name="name" defaultValue={user.name ?? ''} required />
      </label>
      <button type="submit">Change name</button>
      <button type="button" onClick={() => act(async () => setToken(await session.accessToken()))}>
        Show an access token
      </button>
      <p>
        <code>{token}</code>
      </p>
      <p role="status">{problem}</p>
    </form>
  );
}

createRoot(document.getElementById('root')).render(
  <SallyportProvider session={session}>
    <header>
      <strong>Acme</strong>
      <UserButton />
    </header>
    <main>
      <Protected>{(user) => <Account key={user.id} user={user} />}</Protected>
    </main>
  </SallyportProvider>,
);
