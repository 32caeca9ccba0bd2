import { redirect } from 'next/navigation';
import { TaskList } from '../../../components/task-list.tsx';
import { currentUser } from '../../../lib/session.ts';

type Props = { readonly params: Promise<{ readonly user_id: string }> };

/** For signed-in users. Whose tasks they may see is decided by the tasks API, which answers 403 for another user's. */
export default async function Tasks({ params }: Props) {
  if (!(await currentUser())) redirect('/login');
  const { user_id: userId } = await params;
  return (
    <>
      <h1>Tasks</h1>
      <TaskList userId={decodeURIComponent(userId)} />
    </>
  );
}
