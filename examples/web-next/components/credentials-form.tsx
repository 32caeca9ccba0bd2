'use client';

import Link from 'next/link';
import { useRouter } from 'next/navigation';
import { type FormEvent, useEffect, useState } from 'react';
import { useAuth } from '../lib/auth-context.tsx';

export function CredentialsForm({ isNew }: { readonly isNew: boolean }) {
  const { signIn, signUp } = useAuth();
  const router = useRouter();
  const [message, setMessage] = useState('');
  // Until this script runs, the browser would put the password into the address.
  const [isBusy, setBusy] = useState(true);
  useEffect(() => setBusy(false), []);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const credentials = {
      name: String(form.get('name') ?? ''),
      email: String(form.get('email')),
      password: String(form.get('password')),
    };
    setBusy(true);
    const { user, problem } = await (isNew ? signUp(credentials) : signIn(credentials));
    setBusy(false);
    if (user) router.replace(`/tasks/${user.id}`);
    else setMessage(problem ?? 'Follow the link in the mail that was sent to you, then sign in.');
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
        <input
          name="password"
          type="password"
          autoComplete={isNew ? 'new-password' : 'current-password'}
          minLength={isNew ? 12 : 1}
          required
        />
      </label>
      <button type="submit" disabled={isBusy}>
        {isNew ? 'Sign up' : 'Sign in'}
      </button>
      <p role="status">{message}</p>
      <p>{isNew ? <Link href="/login">Sign in instead</Link> : <Link href="/signup">Create an account</Link>}</p>
    </form>
  );
}
