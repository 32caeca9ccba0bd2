import { redirect } from 'next/navigation';
import { currentUser } from '../lib/session.ts';

export default async function Home() {
  const user = await currentUser();
  redirect(user ? `/tasks/${user.id}` : '/login');
}
