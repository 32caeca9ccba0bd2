import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { refreshTokenReuse } from '#services/core/security/detections.ts';
import { raiseIncident } from '#services/core/security/raise-incident.ts';
import { newEmail, refresh, signUp, type TestUser } from '#tools/testing/flows/flows.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { cookieOf, expectProblem, type Received, send } from '#tools/testing/http-client.ts';
import { openMailFolder } from '#tools/testing/mail-folder.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { openSecurityHarness, type SecurityHarness } from './security-harness.ts';

const harness = opened(openSecurityHarness);
const api = partOf(() => harness.api);
const auditor = opened(() => harness.newClient(['incidents:read']));
const mails = opened(() => openMailFolder(api.workerPorts));

const get: SecurityHarness['get'] = (...asked) => harness.get(...asked);
const post: SecurityHarness['post'] = (...asked) => harness.post(...asked);
const incidentsOf: SecurityHarness['incidentsOf'] = (subject) => harness.incidentsOf(subject);
const failFrom: SecurityHarness['failFrom'] = (...attempt) => harness.failFrom(...attempt);
const signInFrom: SecurityHarness['signInFrom'] = (...login) => harness.signInFrom(...login);
/** A user with a verified address. */
async function person(): Promise<TestUser> {
  const user = await signUp({ api: api.url });
  await harness.rows`UPDATE users SET "emailVerified" = now() WHERE id = ${user.id}`;
  return user;
}

/** The device cookie of all that an answer set. */
const deviceIn = (answer: Received): string => /sallyport\.device=[^;]+/.exec(cookieOf(answer))?.[0] ?? 'none';

/** Backdates the account's sessions as if they had begun long ago and been refreshed since. */
async function beforeAnHour(userId: string): Promise<void> {
  await harness.rows`UPDATE sessions SET "createdAt" = now() - interval '1 hour' WHERE "userId" = ${userId}`;
}

/** Backdates further than the whole seconds of a cookie and the clock difference of copies. */
const aWhileLater = (userId: string) =>
  harness.rows`UPDATE users SET "devicesSince" = now() - interval '1 second' WHERE id = ${userId}`;

/** Signs in at home, then elsewhere from an unknown device, and runs the detections. */
async function travel(user: TestUser, n: number): Promise<void> {
  await beforeAnHour(user.id);
  expect((await signInFrom(user, `192.0.2.${n}`, 'Firefox on the desk')).status).toBe(200);
  expect((await signInFrom(user, `203.0.113.${n}`, 'curl')).status).toBe(200);
  await harness.detect();
}

/** The unlock mails that the owner of a locked account gets without a request. */
const unasked = async (email: string) =>
  (await mails.to(email)).filter(({ subject }) => subject === 'Was this you? New sign-in to your account');

/** The owner uses the mail about a sign-in; returns the cookies of the owner's browser. */
async function unlockByMail(email: string): Promise<string> {
  const token = (await unasked(email)).at(-1)?.code;
  const unlocked = await send(api.url, 'POST', '/api/auth/unlock', { json: { token } });
  expect(unlocked.body).toEqual({ status: 'unlocked' });
  expect(deviceIn(unlocked)).toMatch(/^sallyport\.device=/);
  return cookieOf(unlocked);
}

describe('detections', () => {
  test('password guessing raises an incident about the user, and an administrator unlocks the account', async () => {
    const user = await person();
    for (let n = 0; n < 4; n += 1) await failFrom('198.51.100.1', user.email);
    await send(api.url, 'POST', '/api/auth/signin', { json: { email: user.email, password: 'wrong wrong wrong' } });
    await harness.detect();
    expect(await incidentsOf(user.id)).toMatchObject([
      { detection: 'password_guessing', severity: 'medium', count: 1, detail: { failures: 5 } },
    ]);
    expect((await signInFrom(user, '198.51.100.2', 'x')).status).toBe(429);

    expectProblem(await post(`/v1/admin/users/${user.id}/unlock`, { reason: 'x' }, auditor), 403, 'permission_missing');
    expectProblem(await post('/v1/admin/users/unknown/unlock', { reason: 'x' }), 404, 'user_unknown');
    const unlocked = await post(`/v1/admin/users/${user.id}/unlock`, { reason: 'called the help desk' });
    expect(unlocked.body).toEqual({ user_id: user.id, failed_logins: 5 });
    expect((await post(`/v1/admin/users/${user.id}/unlock`, { reason: 'twice' })).body.failed_logins).toBe(0);
    expect((await signInFrom(user, '198.51.100.2', 'x')).status).toBe(200);
  });

  test('credential stuffing: many names from one network; it is blocked, and sessions it opened are ended', async () => {
    const [user, bystander] = [await person(), await person()];
    const ip = '198.51.100.77';
    for (let n = 0; n < 50; n += 1) await failFrom(ip, newEmail());
    const hit = await signInFrom(user, ip, 'stuffer');
    expect(hit.status).toBe(200);
    await harness.detect();
    const incidents = (await get('/v1/admin/incidents?detection=credential_stuffing')).body.incidents;
    expect(incidents).toMatchObject([
      { severity: 'high', subject: { kind: 'network' }, count: 1, actions: ['block_network'], detail: { names: 50 } },
    ]);
    expect(incidents[0].subject.id, 'no address').toMatch(/^network:[\w-]{22}$/);
    expect(await harness.detect(), 'blocked, it is not seen again').toBe(0);
    const blocked = await signInFrom(bystander, ip, 'stuffer');
    expect([blocked.status, blocked.body.code]).toEqual([429, 'login_locked']);
    expect(Number(blocked.headers.get('retry-after'))).toBeGreaterThan(3_000);
    expect((await signInFrom(bystander, '198.51.100.78', 'x')).status, 'others are not').toBe(200);

    expect(await incidentsOf(user.id)).toMatchObject([
      { detection: 'account_takeover', severity: 'critical', actions: ['revoke_sessions', 'step_up'] },
    ]);
    for (const login of [user.tokens, hit.body.tokens])
      expect((await refresh({ api: api.url }, login.refresh_token)).body.code).toBe('session_ended');
    const acted =
      await harness.rows`SELECT outcome, detail->>'user_id' AS user_id FROM audit_outbox WHERE type = 'incident.acted'
        AND detail->>'detection' = 'account_takeover' ORDER BY id`;
    expect(acted).toEqual(['revoke_sessions', 'step_up'].map((outcome) => ({ outcome, user_id: user.id })));

    // The attacker has the password and the cookie that the first success set.
    for (const address of [ip, '198.51.100.79'])
      for (const sent of [{}, { cookie: deviceIn(hit) }]) {
        const again = await signInFrom(user, address, 'stuffer', sent);
        expect([again.status, again.body.code], address).toEqual([429, 'login_locked']);
      }
    // The owner's browser is no longer known either: the account requires stronger proof from everyone.
    expect((await signInFrom(user, '192.0.2.77', 'home', { cookie: user.cookie })).status).toBe(429);
    const inNewBrowser = await unlockByMail(user.email);
    expect((await signInFrom(user, '192.0.2.77', 'home', { cookie: inNewBrowser })).status).toBe(200);
  });

  test('impossible travel ends only the session in the new place; its device cookie does not let it back in', async () => {
    const user = await person();
    await beforeAnHour(user.id);
    const home = await signInFrom(user, '192.0.2.50', 'Firefox on the desk');
    await harness.detect();
    expect(await incidentsOf(user.id), 'an hour later it is a move').toEqual([]);
    const away = await signInFrom(user, '203.0.113.50', 'curl');
    await harness.detect();
    expect(await incidentsOf(user.id)).toMatchObject([
      {
        detection: 'impossible_travel',
        actions: ['end_session', 'step_up'],
        detail: { session_id: away.body.session.id, other_session_id: home.body.session.id },
      },
    ]);
    expect((await refresh({ api: api.url }, away.body.tokens.refresh_token)).body.code).toBe('session_ended');
    expect((await refresh({ api: api.url }, home.body.tokens.refresh_token)).status).toBe(200);
    for (const sent of [{}, { cookie: deviceIn(away) }]) {
      const again = await signInFrom(user, '203.0.113.51', 'curl', sent);
      expect([again.status, again.body.code]).toEqual([429, 'login_locked']);
    }
    expect((await post(`/v1/admin/users/${user.id}/unlock`, { reason: 'it was them' })).body.failed_logins).toBe(100);
    expect((await signInFrom(user, '203.0.113.51', 'curl')).status).toBe(200);
  });

  test('an attacker who signs out before the detection is still detected, and cannot return with the cookie', async () => {
    const user = await person();
    await beforeAnHour(user.id);
    await signInFrom(user, '192.0.2.51', 'Firefox on the desk');
    const away = await signInFrom(user, '203.0.113.52', 'curl');
    const headers = { origin: API_URL };
    expect((await send(api.url, 'POST', '/api/auth/signout', { cookie: cookieOf(away), headers })).status).toBe(200);
    await harness.detect();
    expect(await incidentsOf(user.id)).toMatchObject([{ detection: 'impossible_travel' }]);
    expect((await signInFrom(user, '203.0.113.52', 'curl', { cookie: deviceIn(away) })).status).toBe(429);
  });

  test('the reader of the mail of a stepped-up account is known where the code was redeemed: the sessions do not end each other repeatedly', async () => {
    const user = await person();
    await beforeAnHour(user.id);
    const phone = await signInFrom(user, '192.0.2.52', 'Safari on the phone');
    await signInFrom(user, '203.0.113.53', 'Firefox on the laptop');
    await harness.detect();
    await aWhileLater(user.id);
    const cookie = await unlockByMail(user.email);
    const laptop = await signInFrom(user, '203.0.113.53', 'Firefox on the laptop', { cookie });
    expect(laptop.status).toBe(200);
    await harness.detect();
    for (const { body } of [phone, laptop])
      expect((await refresh({ api: api.url }, body.tokens.refresh_token)).status).toBe(200);
    expect(await incidentsOf(user.id)).toMatchObject([{ count: 1 }]);
  });

  test('step_up mails the owner an unlock code, once for each lock however often it is detected or the job runs', async () => {
    const user = await person();
    await travel(user, 54);
    await harness.detect();
    const [mail, ...others] = await unasked(user.email);
    expect([others, mail?.page]).toEqual([[], `${API_URL}/account/unlock`]);
    expect(mail?.text).toMatch(/an unusual sign-in.*works once, within 10 minutes.*choose a new password right away/s);
    expect(await harness.rows`SELECT FROM mail_outbox`).toEqual([]);
    // Its code unlocks the account in the browser that redeems it; then the attacker signs in once more.
    const locked = await signInFrom(user, '203.0.113.54', 'curl');
    expect([locked.status, locked.body.code]).toEqual([429, 'login_locked']);
    await aWhileLater(user.id);
    const cookie = await unlockByMail(user.email);
    expect((await signInFrom(user, '203.0.113.54', 'Firefox on the laptop', { cookie })).status).toBe(200);
    await travel(user, 55);
    expect(await incidentsOf(user.id)).toMatchObject([{ detection: 'impossible_travel', count: 2 }]);
    expect(await unasked(user.email), 'closed once more').toHaveLength(2);
    await harness.detect();
    expect(await unasked(user.email)).toHaveLength(2);
    // Closed, so the next detection is another incident.
    const [{ incident_id: id }] = await incidentsOf(user.id);
    expect((await post(`/v1/admin/incidents/${id}/close`, { reason: 'it was them' })).status).toBe(200);
    expect((await post(`/v1/admin/users/${user.id}/unlock`, { reason: 'it was them' })).status).toBe(200);
    await travel(user, 56);
    expect(await unasked(user.email)).toHaveLength(3);
  });

  test('step_up also mails an account without a password, but not a disabled or deleted one', async () => {
    const [bare, disabled, gone] = [await person(), await person(), await person()];
    await harness.seal();
    for (const [n, user] of [bare, disabled, gone].entries()) {
      await beforeAnHour(user.id);
      await signInFrom(user, `192.0.2.${60 + n}`, 'Firefox on the desk');
      await signInFrom(user, `203.0.113.${60 + n}`, 'curl');
    }
    await harness.rows`DELETE FROM accounts WHERE "userId" = ${bare.id}`;
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${disabled.id}`;
    await harness.rows`DELETE FROM users WHERE id = ${gone.id}`;
    await harness.detect();
    const queued = await harness.rows`SELECT FROM mail_outbox WHERE template = 'unlock_account'`;
    for (const [{ id, email }, letters] of [
      [bare, 1],
      [disabled, 0],
      [gone, 0],
    ] as const) {
      expect(await incidentsOf(id)).toMatchObject([{ detection: 'impossible_travel' }]);
      expect(await unasked(email)).toHaveLength(letters);
    }
    // Whether the account is disabled is checked again when the mail is written.
    expect(queued).toHaveLength(2);
    expect((await incidentsOf(gone.id))[0].actions).toEqual(['end_session']);
  });
});

describe('incidents', () => {
  test('a replayed refresh token is one incident, however many workers evaluate it; the next replay increases its count', async () => {
    const user = await signUp({ api: api.url });
    for (const login of [user.tokens, (await harness.signInFrom(user, '127.0.0.1', 'node')).body.tokens]) {
      const first = await refresh({ api: api.url }, login.refresh_token);
      const second = await refresh({ api: api.url }, first.body.refresh_token);
      expect(second.status, second.text).toBe(200);
      expect((await refresh({ api: harness.other.url }, login.refresh_token)).body.code).toBe('refresh_token_reused');
      await harness.detect();
    }
    const [incident, ...more] = await incidentsOf(user.id);
    expect(more).toEqual([]);
    expect(incident).toMatchObject({
      detection: 'refresh_token_reuse',
      severity: 'high',
      subject: { kind: 'user', id: user.id },
      state: 'open',
      count: 2,
      actions: [],
      detail: { family_id: expect.any(String) },
    });
    expect(await harness.detect(), 'nothing is judged twice').toBe(0);
    const raised = await harness.rows`SELECT outcome, detail->>'detection' AS detection, detail->>'user_id' AS user_id
      FROM audit_outbox WHERE type = 'incident.raised' AND target_id = ${incident.incident_id}`;
    expect(raised).toEqual([{ outcome: 'open', detection: 'refresh_token_reuse', user_id: user.id }]);
  });

  test('are acknowledged and closed with a reason, with permission; a closed one stays closed, and the next detection opens another', async () => {
    const id = randomUUID();
    const raise = () =>
      raiseIncident(api.workerPorts.sql, api.workerPorts, testCaller, refreshTokenReuse, {
        target: { kind: 'user', id },
      });
    const { id: incident } = await raise();
    const path = `/v1/admin/incidents/${incident}`;
    expectProblem(await post(`${path}/close`, { reason: 'no' }, auditor), 403, 'permission_missing');
    expectProblem(await post(`${path}/close`, {}), 400, 'request_invalid');
    expectProblem(await post(`${path}/close`, { reason: 'x', state: 'open' }), 400, 'request_invalid');
    expectProblem(await get(`/v1/admin/incidents/${randomUUID()}`), 404, 'incident_unknown');
    expectProblem(await post(`/v1/admin/incidents/${randomUUID()}/close`, { reason: 'x' }), 404, 'incident_unknown');

    expect((await post(`${path}/acknowledge`, { reason: 'looking' })).body).toMatchObject({ state: 'acknowledged' });
    expect(await raise(), 'an acknowledged one takes up sightings').toMatchObject({ id: incident, count: 2 });
    const closed = await post(`${path}/close`, { reason: 'a lost phone' });
    expect(closed.body).toMatchObject({
      state: 'closed',
      count: 2,
      reason: 'a lost phone',
      changed_by: `client:${harness.operator.client_id}`,
    });
    expect((await get(path, auditor)).body).toEqual(closed.body);
    expectProblem(await post(`${path}/acknowledge`, { reason: 'again' }), 409, 'incident_closed');
    expect((await raise()).id).not.toBe(incident);
    const changes = await harness.rows`SELECT outcome, detail->>'reason' AS reason FROM audit_outbox
      WHERE type = 'incident.changed' AND target_id = ${incident} ORDER BY id`;
    expect(changes).toEqual([
      { outcome: 'acknowledged', reason: 'looking' },
      { outcome: 'closed', reason: 'a lost phone' },
    ]);
  });
});
