import { SignIn } from '@sallyport/react';
import type { Metadata } from 'next';
import { redirect } from 'next/navigation';
import { currentUser } from '../../lib/session.ts';

export const metadata: Metadata = { title: 'Sign in' };

export default async function Login() {
  const user = await currentUser();
  if (user) redirect(`/tasks/${user.id}`);
  return <SignIn />;
}
