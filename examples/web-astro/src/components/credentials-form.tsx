import { type FormEvent, useEffect, useState } from 'react';
import { post } from '../lib/use-session.ts';

export function CredentialsForm({ isNew }: { readonly isNew: boolean }) {
  const [message, setMessage] = useState('');
  // Until this script runs, the browser would put the password into the address.
  const [isBusy, setBusy] = useState(true);
  useEffect(() => setBusy(false), []);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    setBusy(true);
    try {
      const body = Object.fromEntries(new FormData(event.currentTarget));
      const answer = await post(isNew ? '/api/sign-up' : '/api/sign-in', body);
      if ((await answer.json()).is_signed_in) window.location.assign('/');
      else setMessage(isNew ? 'Follow the link in the mail.' : 'This example asks for no second factor.');
    } catch (error) {
      setMessage(String(error instanceof Error ? error.message : error));
    } finally {
      setBusy(false);
    }
  }

  return (
    <form onSubmit={submit}>
      {isNew && (
        <label>
          Name <input name="name" autoComplete="name" required />
        </label>
      )}
      <label>
        E-mail <input name="email" type="email" autoComplete="username" required />
      </label>
      <label>
        Password
        <input name="password" type="password" autoComplete={isNew ? 'new-password' : 'current-password'} required />
      </label>
      <button type="submit" disabled={isBusy}>
        {isNew ? 'Sign up' : 'Sign in'}
      </button>
      <p role="status">{message}</p>
    </form>
  );
}
