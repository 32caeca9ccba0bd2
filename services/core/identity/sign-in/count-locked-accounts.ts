import type { Ports } from '#services/core/ports.ts';
import { countLocked } from '../users/sign-in-failures.store.ts';
import { PASSWORD_FAILURES_EVER } from './sign-in-counters.ts';

/** Accounts whose password is refused on unknown devices now, until a lock ends or someone unlocks them. For jobs: it reads every counter of an account. */
export const countLockedAccounts = ({ sql }: Pick<Ports, 'sql'>): Promise<number> =>
  countLocked(sql, PASSWORD_FAILURES_EVER);
