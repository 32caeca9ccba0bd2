import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { testCaller } from '#testing/harness/ports.ts';
import { type ActedOn, actOn } from './act-on-incident.ts';
import { type DetectionHarness, openDetectionHarness } from './detection-harness.ts';
import { accountTakeover, credentialStuffing, impossibleTravel } from './detections.ts';
import type { Subject } from './incident-shapes.ts';
import { raiseIncident } from './raise-incident.ts';

vi.setConfig({ testTimeout: 60_000 });

let harness: DetectionHarness;
beforeAll(async () => {
  harness = await openDetectionHarness();
});
afterAll(() => harness?.close());

type Acting = typeof accountTakeover | typeof credentialStuffing | typeof impossibleTravel;

/** Raises what was seen and does what its policy says; the id of the incident. */
async function see(detection: Acting, on: ActedOn, target: Subject = { kind: 'user', id: on.userId ?? 'nobody' }) {
  return harness.deps.transact(async (tx) => {
    const raised = await raiseIncident(tx, harness.deps, testCaller, detection, { target });
    await actOn(tx, harness.deps, detection, raised, on, testCaller);
    return raised.id;
  });
}

const actionsOf = async (subject: string) => (await harness.incidentsOf(subject)).flatMap(({ actions }) => actions);
const sessionsOf = async (userId: string) =>
  (await harness.rows<{ id: string }>('SELECT id FROM sessions WHERE "userId" = $1', [userId])).map(({ id }) => id);
const epochOf = async (userId: string) =>
  (await harness.rows<{ epoch: number }>('SELECT "tokenEpoch" AS epoch FROM users WHERE id = $1', [userId]))[0]?.epoch;
const now = async () => {
  const [row] = await harness.rows<{ at: string }>('SELECT clock_timestamp()::text AS at');
  return row?.at ?? '';
};
const mailsWaiting = async () =>
  (await harness.rows(`SELECT FROM mail_outbox WHERE template = 'unlock_account'`)).length;
const closedCounters = (userId: string) =>
  harness.rows('SELECT failures, stepped_up FROM login_failures WHERE user_id = $1', [userId]);

describe('a sign-in that is seen elsewhere', () => {
  test('ends its session and leaves those from before; the password alone opens the account no more', async () => {
    const { id } = await harness.person();
    const home = await harness.session(id);
    const before = await epochOf(id);
    const away = await harness.session(id);
    await see(impossibleTravel, { userId: id, sessionId: away, since: await now() });
    expect(await sessionsOf(id)).toEqual([home]);
    expect(await epochOf(id), 'no token of another session is refused').toBe(before);
    expect(await closedCounters(id)).toEqual([{ failures: 100, stepped_up: true }]);
    expect(await actionsOf(id)).toEqual(['end_session', 'step_up']);
  });

  test('ends every login where another was opened since', async () => {
    const { id } = await harness.person();
    const away = await harness.session(id);
    const since = await now();
    await harness.session(id);
    const before = (await epochOf(id)) ?? 0;
    await see(impossibleTravel, { userId: id, sessionId: away, since });
    expect([await sessionsOf(id), await epochOf(id)]).toEqual([[], before + 1]);
  });

  test('ends every login where its session is gone already: whoever replaced it would go on', async () => {
    const { id } = await harness.person();
    await harness.session(id);
    await see(impossibleTravel, { userId: id, sessionId: 'gone', since: await now() });
    expect(await sessionsOf(id)).toEqual([]);
  });

  test('takes back an account of another provider that was linked since, and every login with it', async () => {
    const { id } = await harness.person();
    await harness.session(id);
    const away = await harness.session(id);
    const since = await now();
    await harness.rows(`INSERT INTO accounts (id, "accountId", "providerId", "userId") VALUES ($1, $1, 'github', $2)`, [
      `linked-${id}`,
      id,
    ]);
    await see(impossibleTravel, { userId: id, sessionId: away, since });
    expect(await harness.rows('SELECT FROM accounts WHERE "userId" = $1', [id])).toEqual([]);
    expect(await sessionsOf(id)).toEqual([]);
  });

  test('of a session alone ends that session', async () => {
    const { id } = await harness.person();
    const [home, away] = [await harness.session(id), await harness.session(id)];
    const subject = { kind: 'identifier', id: `name-${id}` } as const;
    await see(impossibleTravel, { sessionId: away }, subject);
    expect(await sessionsOf(id)).toEqual([home]);
    expect(await actionsOf(subject.id), 'nobody to step up').toEqual(['end_session']);
  });

  test('without a session the account is closed all the same, and nothing is said to have ended', async () => {
    const { id } = await harness.person();
    await see(impossibleTravel, { userId: id });
    expect(await actionsOf(id)).toEqual(['step_up']);
  });

  test('of somebody who is gone closes no account, and says of none that it did', async () => {
    await see(accountTakeover, { userId: 'gone-since' });
    expect(await actionsOf('gone-since')).toEqual(['revoke_sessions']);
    expect(await harness.rows(`SELECT FROM login_failures WHERE user_id = 'gone-since'`)).toEqual([]);
  });
});

describe('an account that is taken over', () => {
  test('loses every login and knows no device any more', async () => {
    const { id } = await harness.person();
    await harness.session(id);
    const since = await now();
    await see(accountTakeover, { userId: id, since });
    expect(await sessionsOf(id)).toEqual([]);
    const [row] = await harness.rows('SELECT "devicesSince" >= $2::timestamptz AS forgotten FROM users WHERE id = $1', [
      id,
      since,
    ]);
    expect(row).toEqual({ forgotten: true });
    expect(await actionsOf(id)).toEqual(['revoke_sessions', 'step_up']);
  });

  test('loses every login where it is not known since when', async () => {
    const { id } = await harness.person();
    await harness.session(id);
    const before = (await epochOf(id)) ?? 0;
    await see(accountTakeover, { userId: id });
    expect([await sessionsOf(id), await epochOf(id)]).toEqual([[], before + 1]);
  });

  test('whose user is not known leaves nothing to be done', async () => {
    const subject = { kind: 'identifier', id: 'a-name-of-nobody' } as const;
    const incident = await see(accountTakeover, {}, subject);
    expect(await actionsOf(subject.id)).toEqual([]);
    const acted = await harness.rows(`SELECT FROM audit_outbox WHERE type = 'incident.acted' AND target_id = $1`, [
      incident,
    ]);
    expect(acted).toEqual([]);
  });

  test('is told of in an event for each act, with what it was done for', async () => {
    const { id } = await harness.person();
    const incident = await see(accountTakeover, { userId: id });
    const acted = await harness.rows(
      `SELECT outcome, detail FROM audit_outbox WHERE type = 'incident.acted' AND target_id = $1 ORDER BY id`,
      [incident],
    );
    const detail = { detection: 'account_takeover', user_id: id };
    expect(acted).toEqual([
      { outcome: 'revoke_sessions', detail },
      { outcome: 'step_up', detail },
    ]);
  });

  test('mails its owner once for a closing, however often it is seen', async () => {
    const { id } = await harness.person();
    const before = await mailsWaiting();
    await see(accountTakeover, { userId: id });
    await see(accountTakeover, { userId: id });
    expect(await mailsWaiting()).toBe(before + 1);
    expect(await actionsOf(id), 'each act stands once').toEqual(['revoke_sessions', 'step_up']);
  });

  test('mails its owner once more where ending everything ended the code of the mail before', async () => {
    const { id, email } = await harness.person();
    await see(accountTakeover, { userId: id });
    await harness.rows(
      `INSERT INTO one_time_codes (id, purpose, hash, user_id, user_epoch, email, expires_at)
       SELECT gen_random_uuid(), 'unlock_account', sha256($1::text::bytea), id, "tokenEpoch", $2, now() + interval '10 minutes'
       FROM users WHERE id = $1`,
      [id, email],
    );
    const before = await mailsWaiting();
    await see(accountTakeover, { userId: id });
    expect(await mailsWaiting()).toBe(before + 1);
    expect(await harness.rows('SELECT FROM one_time_codes WHERE user_id = $1', [id])).toEqual([]);
  });
});

describe('a network from which many names are tried', () => {
  test('is blocked for an hour', async () => {
    const networkKey = 'network:blocked-in-a-test';
    await harness.rows('INSERT INTO login_failures (key, failures, recent) VALUES ($1, 60, 60)', [networkKey]);
    await see(credentialStuffing, { networkKey }, { kind: 'network', id: networkKey });
    const [row] = await harness.rows(
      `SELECT locked_until > now() + interval '59 minutes' AS blocked, recent, locks FROM login_failures WHERE key = $1`,
      [networkKey],
    );
    expect(row).toEqual({ blocked: true, recent: 0, locks: 1 });
    expect(await actionsOf(networkKey)).toEqual(['block_network']);
  });

  test('whose counter is not known is not said to be blocked', async () => {
    await see(credentialStuffing, {}, { kind: 'network', id: 'network:unknown' });
    expect(await actionsOf('network:unknown')).toEqual([]);
  });
});
