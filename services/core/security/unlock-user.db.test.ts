import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { callerAt, clientCaller, testCaller } from '#tools/testing/harness/ports.ts';
import { admitSignIn, countSignInFailure } from '../identity/sign-in/sign-in-guard.ts';
import type { Caller } from '../ports.ts';
import { type DetectionHarness, openDetectionHarness } from './detection-harness.ts';
import { unlockUser } from './unlock-user.ts';

vi.setConfig({ testTimeout: 60_000 });

let harness: DetectionHarness;
beforeAll(async () => {
  harness = await openDetectionHarness();
});
afterAll(() => harness?.close());

const client = (...permissions: string[]): Caller => clientCaller('help-desk', permissions);
const admitFrom = (ip: string, email: string) => admitSignIn(harness.deps, { email }, callerAt(ip));

/** A user whose account is locked after failed passwords. */
async function lockedUser(ip: string): Promise<{ readonly id: string; readonly email: string }> {
  const { id, email } = await harness.person();
  for (let n = 0; n < 5; n += 1) {
    const admitted = await admitFrom(ip, email);
    await harness.deps.transact((tx) => countSignInFailure(tx, admitted, id, callerAt(ip)));
  }
  await expect(admitFrom(ip, email)).rejects.toMatchObject({ code: 'login_locked' });
  return { id, email };
}
const unlock = (userId: string, caller: Caller) =>
  unlockUser(harness.deps, { user_id: userId, reason: 'they called' }, caller);

describe('unlocking an account', () => {
  test('clears its failures and records their number and the reason', async () => {
    const { id, email } = await lockedUser('198.51.100.1');
    expect(await unlock(id, client())).toEqual({ user_id: id, failed_logins: 5 });
    await expect(admitFrom('198.51.100.1', email)).resolves.toBeDefined();
    expect(await unlock(id, client()), 'nothing is left').toEqual({ user_id: id, failed_logins: 0 });
    const recorded = await harness.rows(
      `SELECT detail FROM audit_outbox WHERE type = 'user.unlocked' AND target_id = $1 ORDER BY id`,
      [id],
    );
    expect(recorded).toEqual([5, 0].map((failures) => ({ detail: { failures, reason: 'they called' } })));
  });

  test('of a user with more permissions than the caller is refused, because guessing could continue', async () => {
    const { id, email } = await lockedUser('198.51.100.2');
    await harness.rows(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [id]);
    await expect(unlock(id, client('users:unlock'))).rejects.toMatchObject({ code: 'rights_exceeded' });
    await expect(admitFrom('198.51.100.2', email)).rejects.toMatchObject({ code: 'login_locked' });
    expect(await unlock(id, testCaller), 'the system caller may').toMatchObject({ failed_logins: 5 });
  });

  test('of an unknown user is refused', async () => {
    await expect(unlock('unknown', client())).rejects.toMatchObject({ code: 'user_unknown' });
  });
});
