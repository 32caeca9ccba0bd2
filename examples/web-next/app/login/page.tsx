import type { Metadata } from 'next';
import { redirect } from 'next/navigation';
import { CredentialsForm } from '../../components/credentials-form.tsx';
import { currentUser } from '../../lib/session.ts';

export const metadata: Metadata = { title: 'Sign in' };

export default async function Login() {
  const user = await currentUser();
  if (user) redirect(`/tasks/${user.id}`);
  return (
    <>
      <h1>Sign in</h1>
      <CredentialsForm isNew={false} />
    </>
  );
}
