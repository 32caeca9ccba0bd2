import { describe, expect, test } from 'vitest';
import { claimsIn, refresh, verdictOn } from '#tools/testing/flows/flows.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { doneBy, openAdminHarness, reason } from './admin-harness.ts';

const harness = opened(openAdminHarness);

const verdict = (token: string) => verdictOn({ api: harness.copy.url }, token);

describe('sessions', () => {
  test('a user’s sessions are listed with the token families of each, and without tokens', async () => {
    const person = await newPerson(harness.copy);
    const { body, text } = await harness.byAdmin('GET', `/v1/admin/sessions?user_id=${person.id}`);
    expect(body).toEqual({
      sessions: [
        {
          id: person.sessionId,
          user_id: person.id,
          created_at: expect.any(String),
          expires_at: expect.any(String),
          ip_address: null,
          user_agent: null,
          logins: [expect.objectContaining({ family_id: claimsIn(person.bearer).fid, client_id: 'sallyport' })],
        },
      ],
      next: null,
    });
    expect(text).not.toContain(person.refreshToken.slice(0, 24));
    const at = async (filter: string): Promise<unknown> =>
      (await harness.byAdmin('GET', `/v1/admin/sessions?${filter}`)).body.sessions.map(({ id }: { id: string }) => id);
    for (const user of ['', `&user_id=${person.id}`]) {
      expect(await at(`client_id=sallyport${user}`)).toContain(person.sessionId);
      expect(await at(`client_id=another${user}`)).toEqual([]);
    }
    const all = await harness.byAdmin('GET', '/v1/admin/sessions?limit=1');
    expect(all.body.sessions[0].id).toBe(person.sessionId);
    const next = await harness.byAdmin('GET', `/v1/admin/sessions?limit=1&cursor=${all.body.next}`);
    expect(next.body.sessions[0].id).not.toBe(person.sessionId);
  });

  test('what an act would end is counted before: of a user, a client or a session', async () => {
    const person = await newSignedIn(harness.copy);
    const at = async (filter: string) => (await harness.byAdmin('GET', `/v1/admin/sessions/reach?${filter}`)).body;
    const one = { logins: 1, sessions: 1, applications: 1, users: 1, is_more: false };
    expect([await at(`user_id=${person.id}`), await at(`session_id=${person.sessionId}`)]).toEqual([one, one]);
    expect((await at('client_id=sallyport')).users).toBeGreaterThan(1);
    expect(await at('user_id=unknown')).toEqual({ logins: 0, sessions: 0, applications: 0, users: 0, is_more: false });
  });

  test('an operator ends one or all sessions of a user, with a reason that the audit log keeps', async () => {
    const operator = await newPerson(harness.copy, ['operator']);
    const person = await newPerson(harness.copy);
    const ended = await harness.as(operator.bearer)('DELETE', `/v1/admin/sessions/${person.sessionId}?reason=stolen`);
    expect(ended.status).toBe(204);
    expect(await verdict(person.bearer)).toBe('session_ended');
    expect(await harness.events('session.ended', person.sessionId)).toEqual([
      doneBy(operator, { user_id: person.id, reason: 'stolen' }),
    ]);
    const ofEnded = await harness.as(operator.bearer)('DELETE', `/v1/admin/sessions/${person.sessionId}?reason=x`);
    expectProblem(ofEnded, 404, 'session_unknown');
    const again = await newPerson(harness.copy);
    const all = await harness.as(operator.bearer)('POST', `/v1/admin/users/${again.id}/sessions/end`, {
      json: { reason },
    });
    expect([all.status, all.body]).toEqual([200, { sessions: 1 }]);
    expect(await verdict(again.bearer)).not.toBe('active');
    expectProblem(await refresh({ api: harness.copy.url }, again.refreshToken), 401, 'session_ended');
    const ofNobody = await harness.as(operator.bearer)('POST', '/v1/admin/users/unknown/sessions/end', {
      json: { reason },
    });
    expectProblem(ofNobody, 404, 'user_unknown');
  });

  test('a user lists and ends their own sessions; another user’s session is 404', async () => {
    const person = await newPerson(harness.copy);
    const stranger = await newPerson(harness.copy, ['operator']);
    const { body } = await harness.as(person.bearer)('GET', '/v1/sessions');
    expect(body.sessions).toMatchObject([{ id: person.sessionId, current: true }]);
    const byStranger = await harness.as(stranger.bearer)('DELETE', `/v1/sessions/${person.sessionId}`);
    expectProblem(byStranger, 404, 'session_unknown');
    expectProblem(await harness.as(stranger.bearer)('DELETE', '/v1/sessions/nothing'), 404, 'session_unknown');
    expect(await verdict(person.bearer)).toBe('active');
    expect((await harness.as(person.bearer)('DELETE', `/v1/sessions/${person.sessionId}`)).status).toBe(204);
    expect(await verdict(person.bearer)).toBe('session_ended');
    expect(await harness.events('session.ended', person.sessionId)).toEqual([
      doneBy(person, { user_id: person.id, reason: 'ended_by_user' }),
    ]);
  });

  test('a token given to another client cannot manage the account', async () => {
    const person = await newPerson(harness.copy);
    const partner = await harness.newClient(['tokens:issue']);
    const pair = await send(harness.copy.url, 'POST', '/v1/tokens', { basic: partner, json: { user_id: person.id } });
    const bearer = pair.body.access_token;
    expectProblem(await harness.as(bearer)('GET', '/v1/sessions'), 403, 'permission_missing');
    expectProblem(await harness.as(bearer)('DELETE', `/v1/sessions/${person.sessionId}`), 403, 'permission_missing');
  });

  test('the cookie may change something only from the API’s own pages', async () => {
    const login = await newSignedIn(harness.copy);
    await harness.byAdmin('PUT', `/v1/admin/users/${login.id}/roles/operator`, { reason });
    const victim = await newPerson(harness.copy);
    const path = `/v1/admin/sessions/${victim.sessionId}?reason=x`;
    for (const headers of [{ origin: 'https://evil.test' }, { origin: 'null' }, {}] as Record<string, string>[]) {
      const fromElsewhere = await send(harness.copy.url, 'DELETE', path, { cookie: login.cookie, headers });
      expectProblem(fromElsewhere, 403, 'origin_refused');
    }
    expect(await verdict(victim.bearer)).toBe('active');
    expect(
      (await send(harness.copy.url, 'DELETE', path, { cookie: login.cookie, headers: { origin: API_URL } })).status,
    ).toBe(204);
  });
});
