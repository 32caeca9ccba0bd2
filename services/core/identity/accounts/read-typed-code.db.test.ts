import { expect, test } from 'vitest';
import type { Tx } from '#services/core/ports.ts';
import { newEmail } from '#tools/testing/flows/flows.ts';
import { anonymous } from '#tools/testing/harness/people.ts';
import { openTestPorts } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { issueCode } from '../mail/one-time-codes.ts';
import { readTypedCode } from './read-typed-code.ts';

const ports = opened(openTestPorts);

const WRONG = 'BBBB-BBBB';

/** A code for an address that no account has. */
async function codeFor(email: string) {
  const [id, to] = [ports.random.uuid(), { userId: null, userEpoch: null, email }];
  const issued = await issueCode(ports.sql, ports, { id, purpose: 'sign_up', ...to, lifeSeconds: 600 });
  if (issued === null) throw new Error('no code');
  return issued;
}

/** Types a code; returns what came of it, and the statements of each transaction. */
async function attempt(email: string, typed: string) {
  const transactions: string[][] = [];
  const watched = {
    ...ports,
    transact: <T>(work: (tx: Tx) => Promise<T>) =>
      ports.transact((tx) => {
        const statements: string[] = [];
        transactions.push(statements);
        return work({
          afterCommit: (action) => tx.afterCommit(action),
          query: (statement, values) => {
            statements.push(statement.name);
            return tx.query(statement, values);
          },
        });
      }),
  };
  const outcome = await readTypedCode(watched, { link: 'verify', email, typed }, anonymous).catch(
    (err: { code: string }) => err.code,
  );
  return { outcome, transactions };
}

test('a wrong code takes the same statements and commits whether or not the address has codes, and is recorded', async () => {
  const email = newEmail();
  await codeFor(email);
  const known = await attempt(email, WRONG);
  const unknown = await attempt(newEmail(), WRONG);
  expect(known.outcome).toBe('code_invalid');
  expect(unknown).toEqual(known);
  expect(known.transactions).toHaveLength(1);
  const refused = `SELECT outcome FROM audit_outbox WHERE type = 'code.refused'`;
  expect(await ports.raw(refused)).toEqual([{ outcome: 'refused' }, { outcome: 'refused' }]);
  expect(await ports.raw('SELECT typed_tries AS tries FROM one_time_codes WHERE email = $1', [email])).toEqual([
    { tries: 1 },
  ]);
});

test('the right code is found, and so is that of the link, pasted with spaces, without a look at the stores', async () => {
  const email = newEmail();
  const { code, typed } = await codeFor(email);
  expect((await attempt(email, typed)).outcome).toMatchObject({ purpose: 'sign_up' });
  expect(await attempt('', ` ${code}\n`)).toEqual({ outcome: code, transactions: [] });
});
