import { describe, expect, test } from 'vitest';
import { callerAt, clientCaller, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { admitSignIn, countSignInFailure } from '../identity/sign-in/sign-in-guard.ts';
import type { Caller } from '../ports.ts';
import { type ActedOn, actOn } from './act-on-incident.ts';
import { openDetectionHarness } from './detection-harness.ts';
import { accountTakeover, credentialStuffing, impossibleTravel } from './detections.ts';
import type { IncidentSubject } from './incident-shapes.ts';
import { raiseIncident } from './raise-incident.ts';
import { unlockUser } from './unlock-user.ts';

const harness = opened(openDetectionHarness);

type ActingDetection = typeof accountTakeover | typeof credentialStuffing | typeof impossibleTravel;

/** Raises an incident and runs the actions of its policy. Returns the incident's id. */
const see = async (
  detection: ActingDetection,
  on: ActedOn,
  target: IncidentSubject = { kind: 'user', id: on.userId ?? 'unknown' },
) =>
  harness.deps.transact(async (tx) => {
    const raised = await raiseIncident(tx, harness.deps, testCaller, detection, { target });
    await actOn(tx, harness.deps, detection, raised, on, testCaller);
    return raised.id;
  });

const actionsOf = async (subject: string) => (await harness.incidentsOf(subject)).flatMap(({ actions }) => actions);
const sessionsOf = async (userId: string) =>
  (await harness.rows<{ id: string }>`SELECT id FROM sessions WHERE "userId" = ${userId}`).map(({ id }) => id);
const epochOf = async (userId: string) =>
  (await harness.rows<{ epoch: number }>`SELECT "tokenEpoch" AS epoch FROM users WHERE id = ${userId}`)[0]?.epoch;
const now = async () => {
  const [row] = await harness.rows<{ at: string }>`SELECT clock_timestamp()::text AS at`;
  return row?.at ?? '';
};
const mailsWaiting = async () => (await harness.rows`SELECT FROM mail_outbox WHERE template = 'unlock_account'`).length;
const closedCounters = (userId: string) =>
  harness.rows`SELECT failures, stepped_up FROM login_failures WHERE user_id = ${userId}`;

describe('a suspicious sign-in from another place', () => {
  test('ends its session, keeps earlier ones, and requires more than the password to sign in again', async () => {
    const { id } = await harness.person();
    const home = await harness.session(id);
    const before = await epochOf(id);
    const away = await harness.session(id);
    await see(impossibleTravel, { userId: id, sessionId: away, since: await now() });
    expect(await sessionsOf(id)).toEqual([home]);
    expect(await epochOf(id), 'tokens of other sessions stay valid').toBe(before);
    expect(await closedCounters(id)).toEqual([{ failures: 100, stepped_up: true }]);
    expect(await actionsOf(id)).toEqual(['end_session', 'step_up']);
  });

  test('ends every session if another was opened since', async () => {
    const { id } = await harness.person();
    const away = await harness.session(id);
    const since = await now();
    await harness.session(id);
    const before = (await epochOf(id)) ?? 0;
    await see(impossibleTravel, { userId: id, sessionId: away, since });
    expect([await sessionsOf(id), await epochOf(id)]).toEqual([[], before + 1]);
  });

  test('ends every session if its own is already gone, because an attacker may have replaced it', async () => {
    const { id } = await harness.person();
    await harness.session(id);
    await see(impossibleTravel, { userId: id, sessionId: 'gone', since: await now() });
    expect(await sessionsOf(id)).toEqual([]);
  });

  test('unlinks a social account that was linked since, and ends every session', async () => {
    const { id } = await harness.person();
    await harness.session(id);
    const away = await harness.session(id);
    const since = await now();
    await harness.rows`INSERT INTO accounts (id, "accountId", "providerId", "userId")
      VALUES (${`linked-${id}`}, ${`linked-${id}`}, 'github', ${id})`;
    await see(impossibleTravel, { userId: id, sessionId: away, since });
    expect(await harness.rows`SELECT FROM accounts WHERE "userId" = ${id}`).toEqual([]);
    expect(await sessionsOf(id)).toEqual([]);
  });

  test('with a session but no user ends that session', async () => {
    const { id } = await harness.person();
    const [home, away] = [await harness.session(id), await harness.session(id)];
    const subject = { kind: 'identifier', id: `name-${id}` } as const;
    await see(impossibleTravel, { sessionId: away }, subject);
    expect(await sessionsOf(id)).toEqual([home]);
    expect(await actionsOf(subject.id), 'no user to step up').toEqual(['end_session']);
  });

  test('without a session still blocks the account, and does not record an ended session', async () => {
    const { id } = await harness.person();
    await see(impossibleTravel, { userId: id });
    expect(await actionsOf(id)).toEqual(['step_up']);
  });

  test('of a deleted user blocks no account and does not record a block', async () => {
    await see(accountTakeover, { userId: 'gone-since' });
    expect(await actionsOf('gone-since')).toEqual(['revoke_sessions']);
    expect(await harness.rows`SELECT FROM login_failures WHERE user_id = 'gone-since'`).toEqual([]);
  });
});

describe('an account takeover', () => {
  test('ends every session and forgets every device', async () => {
    const { id } = await harness.person();
    await harness.session(id);
    const since = await now();
    await see(accountTakeover, { userId: id, since });
    expect(await sessionsOf(id)).toEqual([]);
    const [row] =
      await harness.rows`SELECT "devicesSince" >= ${since}::timestamptz AS forgotten FROM users WHERE id = ${id}`;
    expect(row).toEqual({ forgotten: true });
    expect(await actionsOf(id)).toEqual(['revoke_sessions', 'step_up']);
  });

  test('ends every session if the time of the sign-in is unknown', async () => {
    const { id } = await harness.person();
    await harness.session(id);
    const before = (await epochOf(id)) ?? 0;
    await see(accountTakeover, { userId: id });
    expect([await sessionsOf(id), await epochOf(id)]).toEqual([[], before + 1]);
  });

  test('without a known user does nothing', async () => {
    const subject = { kind: 'identifier', id: 'a-name-without-account' } as const;
    const incident = await see(accountTakeover, {}, subject);
    expect(await actionsOf(subject.id)).toEqual([]);
    const acted =
      await harness.rows`SELECT FROM audit_outbox WHERE type = 'incident.acted' AND target_id = ${incident}`;
    expect(acted).toEqual([]);
  });

  test('records an event for each action, with the detection and the user', async () => {
    const { id } = await harness.person();
    const incident = await see(accountTakeover, { userId: id });
    const acted = await harness.rows`SELECT outcome, detail FROM audit_outbox
      WHERE type = 'incident.acted' AND target_id = ${incident} ORDER BY id`;
    const detail = { detection: 'account_takeover', user_id: id };
    expect(acted).toEqual([
      { outcome: 'revoke_sessions', detail },
      { outcome: 'step_up', detail },
    ]);
  });

  test('mails the owner once per block, however often it is detected', async () => {
    const { id } = await harness.person();
    const before = await mailsWaiting();
    await see(accountTakeover, { userId: id });
    await see(accountTakeover, { userId: id });
    expect(await mailsWaiting()).toBe(before + 1);
    expect(await actionsOf(id), 'each action is listed once').toEqual(['revoke_sessions', 'step_up']);
  });

  test('mails the owner once more if ending everything voided the code of the previous mail', async () => {
    const { id, email } = await harness.person();
    await see(accountTakeover, { userId: id });
    await harness.rows`INSERT INTO one_time_codes (id, purpose, hash, user_id, user_epoch, email, expires_at)
      SELECT gen_random_uuid(), 'unlock_account', sha256(${id}::text::bytea), id, "tokenEpoch", ${email},
        now() + interval '10 minutes'
      FROM users WHERE id = ${id}`;
    const before = await mailsWaiting();
    await see(accountTakeover, { userId: id });
    expect(await mailsWaiting()).toBe(before + 1);
    expect(await harness.rows`SELECT FROM one_time_codes WHERE user_id = ${id}`).toEqual([]);
  });
});

describe('a network that tries many user names', () => {
  test('is blocked for an hour', async () => {
    const networkKey = 'network:blocked-in-a-test';
    await harness.rows`INSERT INTO login_failures (key, failures, recent) VALUES (${networkKey}, 60, 60)`;
    await see(credentialStuffing, { networkKey }, { kind: 'network', id: networkKey });
    const [row] = await harness.rows`SELECT locked_until > now() + interval '59 minutes' AS blocked, recent, locks
      FROM login_failures WHERE key = ${networkKey}`;
    expect(row).toEqual({ blocked: true, recent: 0, locks: 1 });
    expect(await actionsOf(networkKey)).toEqual(['block_network']);
  });

  test('without a known counter is not recorded as blocked', async () => {
    await see(credentialStuffing, {}, { kind: 'network', id: 'network:unknown' });
    expect(await actionsOf('network:unknown')).toEqual([]);
  });
});

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
    const recorded = await harness.rows`SELECT detail FROM audit_outbox
      WHERE type = 'user.unlocked' AND target_id = ${id} ORDER BY id`;
    expect(recorded).toEqual([5, 0].map((failures) => ({ detail: { failures, reason: 'they called' } })));
  });

  test('of a user with more permissions than the caller is refused, because guessing could continue', async () => {
    const { id, email } = await lockedUser('198.51.100.2');
    await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${id}, 'admin')`;
    await expect(unlock(id, client('users:unlock'))).rejects.toMatchObject({ code: 'rights_exceeded' });
    await expect(admitFrom('198.51.100.2', email)).rejects.toMatchObject({ code: 'login_locked' });
    expect(await unlock(id, testCaller), 'the system caller may').toMatchObject({ failed_logins: 5 });
  });

  test('of an unknown user is refused', () =>
    expect(unlock('unknown', client())).rejects.toMatchObject({ code: 'user_unknown' }));
});
