import { useState } from 'react';
import { createRoot } from 'react-dom/client';
import { API } from '../config.js';
import { SallyportProvider, useSallyport } from './use-sallyport.jsx';

function SignIn() {
  const { signIn, signUp } = useSallyport();
  const submit = (event) => {
    event.preventDefault();
    const { email, password } = event.currentTarget.elements;
    const act = event.nativeEvent.submitter.value === 'signUp' ? signUp : signIn;
    act(email.value, password.value);
  };
  return (
    <form onSubmit={submit}>
      <label>
        E-mail <input name="email" type="email" autoComplete="username" required />
      </label>
      <label>
        Password <input name="password" type="password" autoComplete="current-password" minLength={12} required />
      </label>
      <button type="submit" value="signIn">
        Sign in
      </button>
      <button type="submit" value="signUp">
        Sign up
      </button>
    </form>
  );
}

function Account() {
  const { user, rename, signOut, accessToken } = useSallyport();
  const [token, setToken] = useState('');
  const submit = (event) => {
    event.preventDefault();
    rename(event.currentTarget.elements.name.value);
  };
  return (
    <form onSubmit={submit}>
      <p>
        Signed in as <b>{user.email}</b> {user.name}
      </p>
      <label>
        Name <input name="name" defaultValue={user.name ?? ''} required />
      </label>
      <button type="submit">Change name</button>
      <button type="button" onClick={async () => setToken(await accessToken())}>
        Show an access token
      </button>
      <button type="button" onClick={() => signOut()}>
        Sign out
      </button>
      <p>
        <code>{token}</code>
      </p>
    </form>
  );
}

function App() {
  const { isLoading, user, problem } = useSallyport();
  if (isLoading) return <p>…</p>;
  return (
    <>
      <h1>Sallyport with React</h1>
      {user ? <Account key={user.id} /> : <SignIn />}
      <p role="status">{problem}</p>
    </>
  );
}

/** While you move here from another provider: a token of the session there, as Clerk's script gives it. */
const oldToken = async () => window.Clerk?.session?.getToken();

createRoot(document.getElementById('root')).render(
  <SallyportProvider api={API} oldToken={oldToken}>
    <App />
  </SallyportProvider>,
);
