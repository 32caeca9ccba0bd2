import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { detectIncidents } from '#services/domain/security/detect-incidents.ts';
import { listUnevaluated, retryEvent } from '#services/domain/security/retry-unevaluated.ts';
import { signUp } from '#testing/flows/flows.ts';
import { testCaller } from '#testing/harness/ports.ts';
import type { Json } from '#testing/http-client.ts';
import { never, openSecurityHarness, type SecurityHarness } from './security-harness.ts';

vi.setConfig({ testTimeout: 120_000 });

let harness: SecurityHarness;
let api: SecurityHarness['api'];
beforeAll(async () => {
  harness = await openSecurityHarness();
  ({ api } = harness);
});
afterAll(() => harness?.close());
afterEach(() => cure());

/** Makes every incident about this subject fail in the database. */
async function poison(subject: string, fault: string): Promise<void> {
  await harness.rows(
    `CREATE OR REPLACE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
     $$ BEGIN IF NEW.subject_id LIKE '${subject}' THEN ${fault}; END IF; RETURN NEW; END $$`,
  );
  await harness.rows(
    'CREATE OR REPLACE TRIGGER poison BEFORE INSERT ON incidents FOR EACH ROW EXECUTE FUNCTION poison()',
  );
}
const cure = () => harness.rows('DROP TRIGGER IF EXISTS poison ON incidents');
const REFUSES = `RAISE EXCEPTION 'refused'`;
const CUTS_OFF = 'PERFORM pg_terminate_backend(pg_backend_pid())';

/** A user whose account was locked by password guessing: one event that a detection matches. */
async function guessed(ip: string): Promise<string> {
  const user = await signUp({ api: api.url });
  for (let n = 0; n < 4; n += 1) await harness.failFrom(ip, user.email);
  await harness.signInFrom({ email: user.email, password: 'wrong wrong wrong' }, ip, 'guess');
  return user.id;
}

const sightingsOf = async (subject: string): Promise<number> =>
  (await harness.incidentsOf(subject)).reduce((sum: number, { count }: Json) => sum + count, 0);
const detectAlone = () => detectIncidents(api.ports, never, testCaller);
const unevaluated = async () => (await listUnevaluated(api.ports, { limit: 100 })).items;
const dueNow = () => harness.rows('UPDATE unjudged_events SET next_try_at = now() WHERE next_try_at IS NOT NULL');

describe('an event that cannot be evaluated', () => {
  test('does not block others, and is evaluated once when it can be', async () => {
    const odd = await guessed('198.51.100.1');
    const next = await guessed('198.51.100.2');
    await poison(odd, REFUSES);
    await harness.detect();
    expect(await sightingsOf(next)).toBe(1);
    expect(await unevaluated()).toMatchObject([
      { type: 'user.login_locked', tries: 1, failure: 'P0001', next_try_at: expect.any(String) },
    ]);
    await dueNow();
    await harness.detect();
    expect(await unevaluated(), 'two workers make one try').toMatchObject([{ tries: 2 }]);
    await cure();
    expect(await harness.detect(), 'it waits its time').toBe(0);
    await dueNow();
    expect(await harness.detect()).toBe(1);
    expect([await sightingsOf(odd), await sightingsOf(next), await unevaluated()]).toEqual([1, 1, []]);
  });

  test('is set aside after ten tries, raises an incident, and is evaluated again when an operator asks', async () => {
    const odd = await guessed('198.51.100.3');
    await poison(odd, REFUSES);
    await harness.detect();
    for (let n = 1; n < 12; n += 1) {
      await dueNow();
      await harness.detect();
    }
    const [event, ...more] = await unevaluated();
    expect([event, more]).toEqual([expect.objectContaining({ tries: 10, next_try_at: null }), []]);
    const seq = event?.seq ?? -1;
    const [incident] = (await harness.get('/v1/admin/incidents?detection=event_unjudged')).body.incidents;
    expect(incident).toMatchObject({ severity: 'high', count: 1, detail: { seq, failure: 'P0001' } });
    const told = await harness.rows(
      `SELECT detail FROM audit_outbox WHERE type = 'incident.event_set_aside' AND target_id = $1`,
      [incident.incident_id],
    );
    expect(told).toEqual([{ detail: { seq, failure: 'P0001' } }]);

    await cure();
    const retried = () => retryEvent(api.ports, { seq, reason: 'mended' }, testCaller);
    expect(await retried()).toEqual({ seq });
    const asked = await harness.rows(`SELECT detail FROM audit_outbox WHERE type = 'incident.event_retried'`);
    expect(asked).toEqual([{ detail: { seq, reason: 'mended' } }]);
    await expect(retried(), 'it is tried by itself again').rejects.toMatchObject({ code: 'event_not_set_aside' });
    expect(await harness.detect()).toBe(1);
    expect([await sightingsOf(odd), await unevaluated()]).toEqual([1, []]);
    await expect(retried()).rejects.toMatchObject({ code: 'event_not_set_aside' });
  });

  test('is skipped while another transaction locks its rows for too long, and evaluated once they are free', async () => {
    const held = await guessed('198.51.100.4');
    await harness.detect();
    // Resets the position to before its event: its incident would update a row that is locked.
    await harness.rows(
      `UPDATE detection_progress SET seq = (SELECT max(seq) - 1 FROM audit_events WHERE type = 'user.login_locked')`,
    );
    const next = await guessed('198.51.100.5');
    await harness.seal();
    const connection = await api.stores.pools.main.connect();
    try {
      await connection.query('BEGIN');
      await connection.query('SELECT FROM incidents WHERE subject_id = $1 FOR UPDATE', [held]);
      expect((await detectAlone()).sightings).toBe(1);
    } finally {
      await connection.query('ROLLBACK');
      connection.release();
    }
    expect([await sightingsOf(held), await sightingsOf(next)]).toEqual([1, 1]);
    expect(await unevaluated()).toMatchObject([{ tries: 1, failure: 'store_unavailable' }]);
    await dueNow();
    await harness.detect();
    expect([await sightingsOf(held), await unevaluated()]).toEqual([2, []]);
  });

  test('is not assumed when Postgres is unreachable: no event is skipped', async () => {
    const odd = await guessed('198.51.100.6');
    await poison(odd, CUTS_OFF);
    await harness.seal();
    for (let n = 0; n < 12; n += 1) await expect(detectAlone()).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(await unevaluated()).toEqual([]);
    await cure();
    expect(await harness.detect()).toBe(1);
    expect(await sightingsOf(odd)).toBe(1);
  });

  test('being retried, it counts no try while Postgres is unreachable', async () => {
    const odd = await guessed('198.51.100.7');
    await poison(odd, REFUSES);
    await harness.detect();
    await poison(odd, CUTS_OFF);
    await dueNow();
    await expect(detectAlone()).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(await unevaluated()).toMatchObject([{ tries: 1, failure: 'P0001' }]);
    await cure();
    expect(await harness.detect()).toBe(1);
    expect(await unevaluated()).toEqual([]);
  });

  test('is not assumed when another worker has locked the position: the waiting worker skips nothing', async () => {
    const user = await guessed('198.51.100.8');
    await harness.seal();
    const connection = await api.stores.pools.main.connect();
    try {
      await connection.query('BEGIN');
      await connection.query('SELECT FROM detection_progress FOR UPDATE');
      await expect(detectAlone()).rejects.toMatchObject({ code: 'store_unavailable' });
    } finally {
      await connection.query('ROLLBACK');
      connection.release();
    }
    expect(await unevaluated()).toEqual([]);
    expect(await harness.detect()).toBe(1);
    expect(await sightingsOf(user)).toBe(1);
  });
});

test('a network that cannot be blocked does not prevent blocking the others', async () => {
  for (const ip of ['203.0.113.1', '203.0.113.2'])
    for (let n = 0; n < 50; n += 1) await harness.failFrom(ip, `${ip}-${n}@people.test`);
  const [first] = await harness.rows(
    `SELECT key FROM login_failures WHERE key LIKE 'network:%' AND failures >= 50 ORDER BY key COLLATE "C"`,
  );
  await poison(first.key, REFUSES);
  await expect(harness.detect()).rejects.toThrow('refused');
  const blocked = async () =>
    (await harness.get('/v1/admin/incidents?detection=credential_stuffing')).body.incidents.length;
  expect(await blocked()).toBe(1);
  await cure();
  await harness.detect();
  expect(await blocked()).toBe(2);
});
