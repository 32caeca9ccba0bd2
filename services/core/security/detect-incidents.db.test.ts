import { afterEach, describe, expect, test } from 'vitest';
import { defineStatement } from '#services/platform/define/statement.ts';
import { runSuperseded } from '#services/platform/errors.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import type { Transact } from '../ports.ts';
import { detectIncidents } from './detect-incidents.ts';
import { never, openDetectionHarness } from './detection-harness.ts';
import { failureOfEvent } from './evaluate-event.ts';
import { listUnevaluated, retryEvent } from './retry-unevaluated.ts';

const harness = opened(openDetectionHarness);
afterEach(() => harness.rows`DROP TRIGGER IF EXISTS poison ON incidents`);

/** Inserting an incident about a matching subject raises this fault in the database. */
async function poison(subject: string, fault: string): Promise<void> {
  await harness.rows(
    `CREATE OR REPLACE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS
     $$ BEGIN IF NEW.subject_id LIKE '${subject}' THEN ${fault}; END IF; RETURN NEW; END $$`,
  );
  await harness.rows`CREATE
    OR REPLACE TRIGGER poison BEFORE INSERT ON incidents FOR EACH ROW EXECUTE FUNCTION poison()`;
}
const cure = () => harness.rows`DROP TRIGGER poison ON incidents`;
const RAISE_ERROR = `RAISE EXCEPTION 'refused'`;
const CUT_CONNECTION = 'PERFORM pg_terminate_backend(pg_backend_pid())';

const guessed = (userId: string) => harness.locked(userId, { of: 'account', failures: 5 });
const countOf = async (subject: string) => (await harness.incidentsOf(subject)).map(({ count }) => count);
const unevaluated = async () => (await listUnevaluated(harness.deps, { limit: 100 })).items;
const dueNow = () => harness.rows`UPDATE unjudged_events SET next_try_at = now() WHERE next_try_at IS NOT NULL`;
/** A worker that does not wait for locks. */
const impatient: Transact = (work) =>
  harness.deps.transact(async (tx) => {
    await tx.query(defineStatement('')`SET LOCAL lock_timeout = '20ms'`);
    return work(tx);
  });
const detectWith = (transact: Transact) => detectIncidents({ ...harness.deps, transact }, never, testCaller);

/** Runs `work` while another transaction locks these rows. */
async function whileLocked(text: string, values: readonly unknown[], work: () => Promise<unknown>): Promise<void> {
  const connection = await harness.pool.connect();
  try {
    await connection.query('BEGIN');
    await connection.query(text, [...values]);
    await work();
  } finally {
    await connection.query('ROLLBACK');
    connection.release();
  }
}

describe('the detections', () => {
  test('evaluate each sealed event once, however often they run', async () => {
    await guessed('once');
    expect([await harness.detect(), await harness.detect()]).toEqual([1, 0]);
    expect(await countOf('once')).toEqual([1]);
  });

  test('evaluate an event once in two concurrent runs', async () => {
    await guessed('twice');
    await harness.seal();
    const runs = await Promise.all([detectWith(harness.deps.transact), detectWith(harness.deps.transact)]);
    expect(runs.reduce((sum, { sightings }) => sum + sightings, 0)).toBe(1);
    expect(await countOf('twice')).toEqual([1]);
  });

  test('count further sightings of a subject in one incident, and raise a new one after it is closed', async () => {
    await guessed('again');
    await guessed('again');
    expect(await harness.detect()).toBe(2);
    expect(await countOf('again')).toEqual([2]);
    await harness.rows`UPDATE incidents SET state = 'closed' WHERE subject_id = 'again'`;
    await guessed('again');
    await harness.detect();
    expect((await countOf('again')).sort()).toEqual([1, 2]);
  });

  test('stop reading when aborted, and continue there in the next run', async () => {
    await guessed('later');
    await harness.seal();
    const stopped = await detectIncidents(harness.deps, { signal: AbortSignal.abort() }, testCaller);
    expect(stopped).toEqual({ read: 0, sightings: 0 });
    expect(await harness.detect()).toBe(1);
  });

  test('read page after page to the end of the log', async () => {
    const { read } = await detectWith(harness.deps.transact);
    expect(read, 'nothing is new').toBe(0);
    for (let n = 0; n < 201; n += 1) await harness.signedIn('at home', { known_device: true });
    await harness.seal();
    expect(await detectWith(harness.deps.transact)).toEqual({ read: 201, sightings: 0 });
  });

  test('act on a sign-in from an unknown device in another place', async () => {
    const { id } = await harness.person();
    const session = await harness.session(id);
    await harness.signedIn(id, { known_device: false, elsewhere: 'other', session_id: session, factor: 'password' });
    expect(await harness.detect()).toBe(1);
    expect(await harness.incidentsOf(id)).toMatchObject([
      { detection: 'impossible_travel', actions: ['end_session', 'step_up'], detail: { session_id: session } },
    ]);
    expect(await harness.rows`SELECT FROM sessions WHERE id = ${session}`).toEqual([]);
  });
});

describe('guessing that only the counters show', () => {
  const network = (key: string, names: number, successes = 0) =>
    harness.rows`INSERT INTO login_failures (key, failures, recent, successes, tried)
      VALUES (${key}, ${names}, ${names}, ${successes}, ARRAY(SELECT 'name ' || n
        FROM generate_series(1, ${names}) n))`;

  test('credential stuffing: a network that tries fifty names is blocked, and not reported again', async () => {
    await network('network:stuffer', 50);
    expect([await harness.detect(), await harness.detect()]).toEqual([1, 0]);
    expect(await harness.incidentsOf('network:stuffer')).toMatchObject([
      { detection: 'credential_stuffing', actions: ['block_network'], detail: { failures: 50, names: 50 } },
    ]);
  });

  test('a network with fewer names, or with many right passwords, raises nothing', async () => {
    await network('network:household', 49);
    await network('network:company', 60, 15);
    expect(await harness.detect()).toBe(0);
  });

  test('a network that cannot be blocked does not prevent blocking others, and the run fails with its error', async () => {
    await network('network:a-odd', 50);
    await network('network:b-next', 50);
    await poison('network:a-odd', RAISE_ERROR);
    await harness.seal();
    await expect(detectWith(harness.deps.transact)).rejects.toMatchObject({ code: 'P0001' });
    expect(await countOf('network:b-next')).toEqual([1]);
    await cure();
    await harness.detect();
    expect(await countOf('network:a-odd')).toEqual([1]);
  });

  test('nine of ten refused among two hundred sign-ins raise one incident, not one per run', async () => {
    await harness.rows`INSERT INTO audit_outbox (type, outcome, actor_kind, detail)
      SELECT 'user.login', CASE WHEN n <= 21 THEN 'ok' ELSE 'refused' END, 'anonymous', '{}'
        FROM generate_series(1, 200) n`;
    expect(await harness.detect(), 'one too few').toBe(0);
    await harness.rows`INSERT INTO audit_outbox (type, outcome, actor_kind, detail)
      SELECT 'user.login', 'refused', 'anonymous', '{}' FROM generate_series(1, 200)`;
    expect([await harness.detect(), await harness.detect()]).toEqual([1, 0]);
    expect(await harness.incidentsOf('sallyport')).toMatchObject([
      { detection: 'failed_login_ratio', severity: 'high', count: 1, detail: { logins: 200, refused: 200 } },
    ]);
  });
});

describe('an event that cannot be evaluated', () => {
  test('does not block others, waits for its next attempt, and is evaluated once that works', async () => {
    await guessed('odd');
    await guessed('next');
    await poison('odd', RAISE_ERROR);
    expect(await harness.detect()).toBe(1);
    expect(await unevaluated()).toMatchObject([
      { type: 'user.login_locked', tries: 1, failure: 'P0001', next_try_at: expect.any(String) },
    ]);
    await cure();
    await harness.rows`UPDATE unjudged_events SET next_try_at = now() + interval '1 hour'`;
    expect(await harness.detect(), 'not due yet').toBe(0);
    await dueNow();
    expect(await harness.detect()).toBe(1);
    expect([await countOf('odd'), await countOf('next'), await unevaluated()]).toEqual([[1], [1], []]);
  });

  test('is set aside after ten attempts with an incident and an event, and evaluated when an operator retries it', async () => {
    await guessed('hopeless');
    await poison('hopeless', RAISE_ERROR);
    await harness.detect();
    for (let tries = 1; tries < 10; tries += 1) {
      expect(await unevaluated()).toMatchObject([{ tries, next_try_at: expect.any(String) }]);
      await dueNow();
      await harness.detect();
    }
    const [event] = await unevaluated();
    expect(event).toMatchObject({ tries: 10, next_try_at: null });
    const { seq = -1 } = event ?? {};
    const aside = (await harness.incidentsOf('sallyport')).find(({ detection }) => detection === 'event_unjudged');
    expect(aside).toMatchObject({ severity: 'high', count: 1, detail: { seq, failure: 'P0001' } });
    const recorded =
      await harness.rows`SELECT target_id, detail FROM audit_outbox WHERE type = 'incident.event_set_aside'`;
    expect(recorded).toEqual([{ target_id: aside?.incident_id, detail: { seq, failure: 'P0001' } }]);
    await dueNow();
    expect(await harness.detect(), 'no operator retried it').toBe(0);

    await cure();
    const retry = () => retryEvent(harness.deps, { seq, reason: 'mended' }, testCaller);
    expect(await retry()).toEqual({ seq });
    const asked = await harness.rows`SELECT detail FROM audit_outbox WHERE type = 'incident.event_retried'`;
    expect(asked).toEqual([{ detail: { seq, reason: 'mended' } }]);
    await expect(retry(), 'it is retried automatically').rejects.toMatchObject({ code: 'event_not_set_aside' });
    expect(await harness.detect()).toBe(1);
    await expect(retry(), 'it is evaluated').rejects.toMatchObject({ code: 'event_not_set_aside' });
  });

  test('is listed with the others page by page, oldest first', async () => {
    for (const subject of ['listed 1', 'listed 2', 'listed 3']) await guessed(subject);
    await poison('listed %', RAISE_ERROR);
    await harness.detect();
    const first = await listUnevaluated(harness.deps, { limit: 2 });
    const rest = await listUnevaluated(harness.deps, { limit: 2, cursor: first.next ?? '' });
    const seqs = [...first.items, ...rest.items].map(({ seq }) => seq);
    expect([first.items.length, rest.items.length, rest.next]).toEqual([2, 1, null]);
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    await expect(listUnevaluated(harness.deps, { limit: 2, cursor: 'made up' })).rejects.toMatchObject({
      code: 'cursor_invalid',
    });
    await cure();
    await dueNow();
    expect(await harness.detect()).toBe(3);
  });

  test('is skipped if other transactions lock its rows for too long', async () => {
    await guessed('locked');
    await harness.detect();
    await guessed('locked');
    await harness.seal();
    await whileLocked('SELECT FROM incidents WHERE subject_id = $1 FOR UPDATE', ['locked'], async () => {
      expect((await detectWith(impatient)).sightings).toBe(0);
    });
    expect(await unevaluated()).toMatchObject([{ tries: 1, failure: 'store_unavailable' }]);
    await dueNow();
    expect(await harness.detect()).toBe(1);
    expect(await countOf('locked')).toEqual([2]);
  });

  test('is neither skipped nor charged an attempt while Postgres is unreachable', async () => {
    await guessed('cut off');
    await poison('cut off', CUT_CONNECTION);
    await harness.seal();
    await expect(detectWith(harness.deps.transact)).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(await unevaluated()).toEqual([]);
    await poison('cut off', RAISE_ERROR);
    await harness.detect();
    await poison('cut off', CUT_CONNECTION);
    await dueNow();
    await expect(detectWith(harness.deps.transact)).rejects.toMatchObject({ code: 'store_unavailable' });
    expect(await unevaluated()).toMatchObject([{ tries: 1, failure: 'P0001' }]);
    await cure();
    expect(await harness.detect()).toBe(1);
  });

  test('is not skipped by a worker that waits for the log position while another worker has it locked', async () => {
    await guessed('in turn');
    await harness.seal();
    await whileLocked('SELECT FROM detection_progress FOR UPDATE', [], async () => {
      await expect(detectWith(impatient)).rejects.toMatchObject({ code: 'store_unavailable' });
    });
    expect(await unevaluated()).toEqual([]);
    expect(await harness.detect()).toBe(1);
  });

  test('is not skipped by a superseded run', () => {
    expect(() => failureOfEvent(runSuperseded())).toThrow(expect.objectContaining({ code: 'run_superseded' }));
    expect(failureOfEvent(Object.assign(new Error('odd'), { code: '23505' }))).toBe('23505');
  });

  test('is attempted once by two concurrent workers', async () => {
    await guessed('shared');
    await poison('shared', RAISE_ERROR);
    await harness.detect();
    await dueNow();
    await Promise.all([detectWith(harness.deps.transact), detectWith(harness.deps.transact)]);
    expect(await unevaluated()).toMatchObject([{ tries: 2 }]);
    await cure();
    await dueNow();
    const runs = await Promise.all([detectWith(harness.deps.transact), detectWith(harness.deps.transact)]);
    expect(runs.reduce((sum, { sightings }) => sum + sightings, 0)).toBe(1);
    expect(await countOf('shared')).toEqual([1]);
  });
});
