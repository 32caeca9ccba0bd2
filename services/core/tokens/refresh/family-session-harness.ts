// For tests only: creates and ends token families on one database, and reads the rows that this writes.

import type { Caller, Transact } from '#services/core/ports.ts';
import { createTransact } from '#services/platform/postgres/pool.ts';
import { callerFrom, type FamilyCopy, insertSession, insertUser } from '#tools/testing/fixtures/families.ts';
import { clientCaller } from '#tools/testing/harness/ports.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import type { CreatedFamily, NewFamily } from './create-family.ts';
import { type FamilyHarness, openFamilyHarness } from './family-harness.ts';

/** A caller that may end any family. */
export const operator: Caller = {
  ...clientCaller('operator', ['tokens:revoke']),
  request: callerFrom('192.0.2.1').request,
};

type FamilySessionHarness = FamilyHarness & {
  readonly copy: FamilyCopy;
  readonly transact: Transact;
  /** Creates a family of a new session, and of a new user unless one is given. */
  login(family?: Partial<NewFamily>): Promise<CreatedFamily & { readonly userId: string; readonly sessionId: string }>;
  /** `ok`, or the code of the refusal. */
  refreshed(token: string): Promise<string>;
  /** Every event with this target, in order. */
  eventsOf(targetId: string): Promise<Json[]>;
  /** Every revocation of this value, whatever its kind. */
  endsOf(value: string): Promise<Json[]>;
};

export async function openFamilySessionHarness(): Promise<FamilySessionHarness> {
  const harness = await openFamilyHarness();
  const copy = harness.copyWith();
  const { pool } = copy;
  const rows = async (text: string, values: unknown[]): Promise<Json[]> => (await pool.query(text, values)).rows;
  return {
    ...harness,
    copy,
    transact: createTransact(pool, (err) => {
      throw err;
    }),
    login: async (family = {}) => {
      const userId = family.user_id ?? (await insertUser(pool));
      const sessionId = await insertSession(pool, userId);
      return { userId, sessionId, ...(await copy.create({ user_id: userId, session_id: sessionId, ...family })) };
    },
    refreshed: (token) => outcomeOf(copy.refresh(token)),
    eventsOf: (targetId) =>
      rows(
        `SELECT type, outcome, actor_kind, actor_id, client_id, detail FROM audit_outbox WHERE target_id = $1 ORDER BY id`,
        [targetId],
      ),
    endsOf: (value) => rows('SELECT kind, reason, token_epoch FROM revocations WHERE value = $1 ORDER BY id', [value]),
  };
}
