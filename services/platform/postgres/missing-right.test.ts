import { expect, test } from 'vitest';
import { describeError } from '#observability/log-errors.ts';
import { MissingRightError, nameMissingRight } from './missing-right.ts';

const refusal = (message: string): Error => Object.assign(new Error(message), { code: '42501' });

test.each([
  ['table audit_events', 'DELETE FROM audit_events WHERE seq = $1', 'DELETE on audit_events'],
  ['table users', 'WITH one AS MATERIALIZED (VALUES (1)) UPDATE users SET name = $1', 'UPDATE on users'],
  ['table signoffs', 'SELECT id FROM signoffs WHERE id = $1 FOR NO KEY UPDATE', 'SELECT, UPDATE on signoffs'],
  ['table "Odd"', 'WITH a AS (DELETE FROM users) INSERT INTO "Odd" SELECT * FROM a', 'INSERT on "Odd"'],
  ['table users', 'UPDATE "public"."users" SET name = $1', 'UPDATE on users'],
  ['table users', 'TRUNCATE TABLE users', 'TRUNCATE on users'],
  ['view open_findings', 'TABLE open_findings', 'SELECT on open_findings'],
  ['sequence users_seq', 'SELECT nextval($1)', 'USAGE on SEQUENCE users_seq'],
  ['schema public', 'SELECT 1 FROM users', 'USAGE on SCHEMA public'],
  ['function audit_outbox_drop', 'SELECT audit_outbox_drop($1)', 'EXECUTE on FUNCTION audit_outbox_drop'],
])('a refusal about %s names role and grant', (object, text, right) => {
  const err = nameMissingRight(refusal(`permission denied for ${object}`), 'sallyport_app', text) as Error;
  expect(err).toBeInstanceOf(MissingRightError);
  expect(err.message).toContain(`refuses sallyport_app the right ${right}:`);
  expect(err.message).toContain(`GRANT ${right.replace(' on ', ' ON ')} TO sallyport_app`);
  // A log line has the message, and the code by which an operator searches.
  expect(describeError(err)).toMatchObject({ code: '42501', message: err.message });
});

test('another error stays as it is, and so does a refusal about no object', () => {
  for (const err of [new Error('x'), refusal('must be owner of table users'), undefined, 'text'])
    expect(nameMissingRight(err, 'sallyport_app', 'SELECT 1')).toBe(err);
});
