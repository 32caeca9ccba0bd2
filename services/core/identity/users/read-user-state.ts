import type { Ports } from '#services/core/ports.ts';
import { findAccount } from './accounts.store.ts';

type UserState = {
  readonly email: string;
  readonly isDisabled: boolean;
  /** Rises when all sessions and tokens of the user end. */
  readonly tokenEpoch: number;
};

/** Whether an account is in use; null if there is none. */
export async function readUserState({ sql }: Pick<Ports, 'sql'>, userId: string): Promise<UserState | null> {
  const account = await findAccount(sql, userId);
  if (account === undefined) return null;
  const { email, isDisabled, tokenEpoch } = account;
  return { email, isDisabled, tokenEpoch };
}
