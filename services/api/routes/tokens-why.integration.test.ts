import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { actOn } from '#services/core/security/act-on-incident.ts';
import { type Detection, detections } from '#services/core/security/detections.ts';
import { clientToken, refresh, tampered } from '#tools/testing/flows/flows.ts';
import { newPerson, type Person, pairOf } from '#tools/testing/flows/people.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(() => openApiHarness());
const copy = opened(() =>
  harness.startCopy({ hashes: false, env: { REFRESH_GRACE_USES: '1', REFRESH_GRACE_SECONDS: '1' } }),
);
const admin = opened(() => newPerson(copy, ['admin']));
const client = opened(() => harness.newClient(['tokens:revoke', 'tokens:issue']));

const why = async (token: string) => (await send(copy.url, 'POST', '/v1/tokens/why', { json: { token } })).body;
const at = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

test('a valid token family has not ended, and asking changes nothing', async () => {
  const { bearer, refreshToken } = await newPerson(copy);
  for (const token of [bearer, refreshToken, bearer, refreshToken]) expect(await why(token)).toEqual({ ended: false });
  expect((await refresh({ api: copy.url }, refreshToken)).status).toBe(200);
});

test('the user’s own revocation is named as such, an administrator’s without reason or name', async () => {
  const own = await newPerson(copy);
  await send(copy.url, 'DELETE', `/v1/sessions/${own.sessionId}`, { bearer: own.bearer });
  for (const token of [own.bearer, own.refreshToken])
    expect(await why(token)).toEqual({
      ended: true,
      reason: 'ended_by_user',
      rule: 'ended_by_user',
      cause: { event: 'session.ended', actor: 'self', at },
    });
  const other = await newPerson(copy);
  const path = `/v1/admin/sessions/${other.sessionId}?reason=suspected%20thief`;
  await send(copy.url, 'DELETE', path, { bearer: admin.bearer });
  for (const token of [other.bearer, other.refreshToken]) {
    const told = await why(token);
    expect(told).toEqual({
      ended: true,
      reason: 'revoked',
      rule: 'admin_ended',
      cause: { event: 'session.ended', actor: 'user', at },
    });
    expect(JSON.stringify(told)).not.toMatch(/thief/);
    expect(JSON.stringify(told)).not.toContain(admin.id);
  }
});

test('permissions removed, an account disabled or deleted, a client’s request: each names its rule and its event', async () => {
  const demoted = await newPerson(copy, ['operator']);
  const disabled = await newPerson(copy);
  const deleted = await newPerson(copy);
  const revoked = await newPerson(copy);
  const bearer = { bearer: admin.bearer };
  await send(copy.url, 'DELETE', `/v1/admin/users/${demoted.id}/roles/operator?reason=moved`, bearer);
  await send(copy.url, 'POST', `/v1/admin/users/${disabled.id}/disable`, { ...bearer, json: { reason: 'x' } });
  await send(copy.url, 'DELETE', `/v1/admin/users/${deleted.id}?reason=x`, bearer);
  await send(copy.url, 'POST', '/v1/tokens/revoke', { basic: client, json: { token: revoked.bearer, reason: 'x y' } });
  const tokensRevoked = { event: 'user.tokens_revoked', actor: 'user', at };
  expect(await why(demoted.bearer)).toEqual({
    ended: true,
    reason: 'revoked',
    rule: 'role_removed',
    cause: tokensRevoked,
  });
  for (const token of [disabled.refreshToken, disabled.bearer])
    expect(await why(token)).toMatchObject({ reason: 'revoked', rule: 'user_disabled', cause: { actor: 'user' } });
  expect(await why(deleted.bearer)).toMatchObject({
    reason: 'user_deleted',
    rule: 'user_deleted',
    cause: tokensRevoked,
  });
  expect(await why(revoked.bearer)).toEqual({
    ended: true,
    reason: 'revoked',
    rule: 'token_revoked',
    cause: { event: 'token.revoked', actor: 'client', at },
  });
  expect(await why(revoked.refreshToken)).toEqual({ ended: false });
});

test('each rule by which another party ends a token family is distinguished, whatever reason was written', async () => {
  const bearer = { bearer: admin.bearer };
  const role = { name: 'desk', description: 'x', permissions: ['keys:read', 'tokens:read'], reason: 'x' };
  await send(copy.url, 'POST', '/v1/admin/roles', { ...bearer, json: role });
  const acts: [string, (person: Person) => Promise<unknown>, string[]?][] = [
    ['admin_ended', ({ id }) => act('POST', `/v1/admin/users/${id}/sessions/end`, { reason: 'role_removed' })],
    ['admin_ended', ({ id }) => act('POST', '/v1/tokens/revoke', { user_id: id, reason: 'x' })],
    [
      'rights_removed',
      () => act('PUT', '/v1/admin/roles/desk/permissions', { permissions: [], reason: 'x' }),
      ['desk'],
    ],
    ['token_revoked', ({ bearer: token }) => act('POST', '/v1/tokens/revoke', { token, reason: 'user_disabled' })],
    ['incident', ({ id }) => actOnSighting(id)],
    ['ended_by_user', ({ bearer: token, id }) => own(token, '/v1/tokens/revoke', { user_id: id, reason: 'done here' })],
  ];
  const act = (method: string, path: string, json: object) => send(copy.url, method, path, { ...bearer, json });
  const own = (token: string, path: string, json: object) => send(copy.url, 'POST', path, { bearer: token, json });
  for (const [rule, work, roles] of acts) {
    const person = await newPerson(copy, roles);
    await work(person);
    expect(await why(person.bearer), rule).toMatchObject({ ended: true, reason: 'revoked', rule });
  }
});

/** Applies a detection's policy, as the worker does. */
const actOnSighting = (userId: string): Promise<void> =>
  copy.workerPorts.transact(async (tx) => {
    const id = randomUUID();
    await harness.rows`INSERT INTO incidents (id, detection, severity, subject_kind, subject_id)
      VALUES (${id}, 'x', 'high', 'user', ${userId})`;
    const detection = { ...detections[0], actions: ['revoke_sessions'] } as unknown as Detection;
    await actOn(tx, copy.workerPorts, detection, { id }, { userId }, testCaller);
  });

test('a family that was replaced by a newer one, or revoked for reuse, says so to the holder of the old token', async () => {
  const person = await newPerson(copy);
  const next = await pairOf(copy, person);
  expect(await why(person.refreshToken)).toEqual({
    ended: true,
    reason: 'superseded',
    rule: 'superseded',
    cause: { event: 'token.family_ended', actor: null, at },
  });
  expect(await why(person.bearer)).toEqual({ ended: false });
  const second = (await refresh({ api: copy.url }, next.refreshToken)).body;
  await refresh({ api: copy.url }, second.refresh_token);
  expectProblem(await refresh({ api: copy.url }, next.refreshToken), 401, 'refresh_token_reused');
  expect(await why(second.refresh_token)).toMatchObject({
    ended: true,
    reason: 'refresh_token_reused',
    rule: 'refresh_token_reused',
    cause: { event: 'token.refresh_reused' },
  });
});

test('the token family remembers what its revocations no longer have; an expired one is reported as expired', async () => {
  const person = await newPerson(copy);
  await send(copy.url, 'DELETE', `/v1/sessions/${person.sessionId}`, { bearer: person.bearer });
  await harness.rows`DELETE FROM revocations WHERE value = ${person.sessionId}`;
  expect(await why(person.refreshToken)).toEqual({
    ended: true,
    reason: 'ended_by_user',
    rule: 'ended_by_user',
    cause: { event: 'token.family_ended', actor: null, at },
  });
  const idle = await newPerson(copy);
  await harness.rows`UPDATE refresh_families SET idle_expires_at = now() - interval '1 second'
    WHERE sid = ${idle.sessionId}`;
  expect(await why(idle.refreshToken)).toEqual({ ended: true, reason: 'expired', rule: 'expired', cause: null });
  await harness.rows`DELETE FROM refresh_families WHERE sid = ${idle.sessionId}`;
  expect(await why(idle.refreshToken)).toEqual({ ended: true, reason: 'expired', rule: 'expired', cause: null });
});

test('a client’s own token and unknown text reveal nothing about others', async () => {
  const own = await clientToken({ api: copy.url, credentials: { client } });
  expect(await why(own)).toEqual({ ended: false });
  await send(copy.url, 'POST', `/v1/admin/clients/${client.client_id}/disable`, {
    bearer: admin.bearer,
    json: { reason: 'x' },
  });
  expect(await why(own)).toMatchObject({
    rule: 'client_disabled',
    cause: { event: 'client.tokens_revoked', actor: 'user' },
  });
  const { bearer, refreshToken } = await newPerson(copy);
  for (const token of [tampered(bearer), tampered(refreshToken), 'x', 'a.b.c'])
    expect(await why(token)).toEqual({ ended: true, reason: 'unknown_token', rule: 'unknown_token', cause: null });
  expectProblem(await send(copy.url, 'POST', '/v1/tokens/why', { json: {} }), 400, 'request_invalid');
});
