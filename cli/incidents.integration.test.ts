import { afterAll, beforeAll, expect, test } from 'vitest';
import { accountKeyOf } from '../services/core/identity/sign-in/sign-in-counters.ts';
import { ensureKeys } from '../services/core/keys/ensure-keys.ts';
import { createKeyRing } from '../services/core/keys/key-ring.ts';
import { loadConfig } from '../services/platform/config/load.ts';
import { testCaller } from '../tools/testing/harness/ports.ts';
import { type CliHarness, openCliHarness } from './cli-harness.ts';

let harness: CliHarness;
let ports: CliHarness['ports'];
beforeAll(async () => {
  harness = await openCliHarness();
  ({ ports } = harness);
});
afterAll(() => harness?.close());

const sallyport = (...args: readonly string[]) => harness.sallyport(args);
const json = (...args: readonly string[]) => harness.json(args);

test('sallyport incidents lists events that detections could not evaluate, retries one, and records the reason in the audit log', async () => {
  await ports.raw(
    `INSERT INTO audit_events (seq, event_id, type, outcome, actor_kind, detail, occurred_at, sealed_at, leaf)
     SELECT seq, gen_random_uuid(), 'user.login', 'ok', 'system', '{}', now(), now(), '' FROM (VALUES (7), (9)) event (seq)`,
  );
  await ports.raw(
    `INSERT INTO unjudged_events (seq, tries, failure, next_try_at) VALUES (7, 10, 'P0001', null), (9, 2, '22P02', now())`,
  );
  const { events, next } = await json('incidents', 'unjudged', '-n', '1');
  expect(events).toMatchObject([{ seq: 7, type: 'user.login', tries: 10, failure: 'P0001', next_try_at: null }]);
  expect((await json('incidents', 'unjudged', '--cursor', next)).events).toMatchObject([{ seq: 9, tries: 2 }]);
  expect((await sallyport('incidents', 'unjudged')).out).toMatch(/7 .*10x P0001 {2}set aside\n.*22P02 {2}next try 2/);
  const retry = (seq: string) => ['incidents', 'retry', seq, '--reason', 'mended', '--yes'];
  expect(await json(...retry('7'))).toEqual({ seq: 7 });
  expect(await ports.raw('SELECT seq FROM unjudged_events WHERE next_try_at IS NULL')).toEqual([]);
  expect(await ports.raw(`SELECT detail FROM audit_outbox WHERE type = 'incident.event_retried'`)).toEqual([
    { detail: { seq: 7, reason: 'mended' } },
  ]);
  const again = await sallyport(...retry('7'));
  expect([again.code, again.err]).toEqual([2, expect.stringContaining('Event not set aside')]);
  expect((await sallyport(...retry('x'))).code).toBe(2);
});

test('sallyport users unlock clears the failed sign-ins of an account', async () => {
  const config = loadConfig({});
  const authSecret = 'a-secret-of-more-than-thirty-two-characters';
  await ensureKeys(ports, { keys: config.keys, tokens: config.tokens, authSecret, audience: null }, testCaller);
  const keyRing = createKeyRing(ports, config.keys);
  await keyRing.load();
  await ports.raw(`INSERT INTO users (id, email) VALUES ('u1', 'ada@people.test')`);
  await ports.raw('INSERT INTO login_failures (key, failures) VALUES ($1, 100)', [
    accountKeyOf({ keyRing }, 'ada@people.test'),
  ]);
  const unlock = (...more: string[]) => ['users', 'unlock', 'u1', '--reason', 'called us', ...more];
  expect(await json(...unlock('--dry-run'))).toEqual({
    dry_run: true,
    would: 'clear the failed sign-ins of ada@people.test',
  });
  expect(await json(...unlock('--yes'))).toEqual({ user_id: 'u1', failed_logins: 100 });
  expect(await ports.raw('SELECT 1 FROM login_failures')).toEqual([]);
  const unknown = await sallyport('users', 'unlock', 'u2', '--reason', 'x', '--yes');
  expect([unknown.code, unknown.err]).toEqual([2, expect.stringContaining('User not found')]);
});
