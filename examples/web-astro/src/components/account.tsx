import { useSession } from '../lib/use-session.ts';

export function Account() {
  const { account, problem, signOut } = useSession();
  return (
    <>
      <p role="status">{problem ?? (account ? `Signed in as ${account.email ?? account.user_id}` : '')}</p>
      {account && (
        <button type="button" onClick={() => void signOut()}>
          Sign out
        </button>
      )}
    </>
  );
}
