import { expect, test } from 'vitest';
import { DEVICE_GRANT } from '#services/core/access/grant-shapes.ts';
import type { Caller } from '#services/core/ports.ts';
import { normaliseUserCode } from '#services/core/shared/user-codes.ts';
import { openSessionFor, TWO_FACTORS } from '#tools/testing/flows/signed-in.ts';
import { createTestPorts } from '#tools/testing/harness/ports.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { overtaken } from '#tools/testing/overtaken.ts';
import { anonymousCaller, type GrantPorts, openGrantHarness } from '../grant-harness.ts';
import { beginDeviceGrant, type DeviceGrantAnswer, type DeviceGrantPorts } from './begin-device-grant.ts';
import { answerDeviceGrant, showDeviceGrant } from './decide-device-grant.ts';
import { redeemDeviceCode } from './redeem-device-code.ts';

const harness = opened(() => openGrantHarness());
const ports = partOf(() => harness.ports);
const user = opened(() => harness.newUser());
const tv = opened(() => harness.newClient({ auth_method: 'none', grant_types: [DEVICE_GRANT, 'refresh_token'] }));

const begin = (
  changes: Partial<DeviceGrantPorts> = {},
  input: { clientId?: string; scope?: string; resource?: string } = {},
  caller: Caller = anonymousCaller,
): Promise<DeviceGrantAnswer> =>
  beginDeviceGrant(
    { ...ports, ...changes },
    { clientId: tv.clientId, scope: undefined, resource: undefined, ...input },
    caller,
  );
const answer = (userCode: string, isAllowed: boolean, cookie: string | undefined = user.cookie) =>
  answerDeviceGrant(ports, { userCode, isAllowed, cookie }, anonymousCaller);
const redeem = (deviceCode: string | undefined, changes: Partial<GrantPorts> = {}, clientId = tv.clientId) =>
  redeemDeviceCode(
    { ...ports, ...changes },
    { deviceCode, client: { clientId, isAuthenticated: false }, keys: {} },
    anonymousCaller,
  );

/** Randomness that makes these user codes, each of one repeated letter; the last one repeats. */
function chance(...letters: readonly number[]): Pick<DeviceGrantPorts, 'random'> {
  let drawn = 0;
  const bytes = (count: number): Buffer =>
    count === 8 ? Buffer.alloc(8, letters[Math.min(drawn++, letters.length - 1)]) : ports.random.bytes(count);
  return { random: { ...ports.random, bytes } };
}

test('a user code in use is replaced by a new one, and the request fails if no free one is found', async () => {
  expect((await begin(chance(0))).user_code).toBe('BBBB-BBBB');
  expect((await begin(chance(0, 0, 1))).user_code).toBe('CCCC-CCCC');
  await expect(begin(chance(0, 1))).rejects.toMatchObject({ code: 'store_unavailable' });
  const waiting = await harness.rows`SELECT user_code FROM oauth_device_grants ORDER BY user_code`;
  expect(waiting).toEqual([{ user_code: 'BBBBBBBB' }, { user_code: 'CCCCCCCC' }]);
});

test('a malformed user code is unknown, like one that does not exist', async () => {
  const shown = (userCode: string) => showDeviceGrant(ports, { userCode, cookie: user.cookie });
  for (const typed of ['AEIO-UAEI', 'short', 'ZZZZ-ZZZZ'])
    expect(await shown(typed)).toMatchObject({ kind: 'ask-code', isUnknown: true });
  expect(await shown('')).toMatchObject({ kind: 'ask-code', isUnknown: false });
});

test('the first decision is final: a second one changes nothing and writes no audit event', async () => {
  const grant = await begin();
  const code = grant.user_code.replace('-', '');
  const denied = `UPDATE oauth_device_grants SET status = 'denied', user_id = $1 WHERE user_code = '${code}'`;
  const step = await overtaken(harness.pool, user.id, denied, () => answer(grant.user_code, true));
  expect(step).toMatchObject({ kind: 'ask-code', isUnknown: true });
  await expect(redeem(grant.device_code)).rejects.toMatchObject({ code: 'device_grant_denied' });
  const decided = `SELECT 1 FROM audit_outbox WHERE type = 'oauth.device_decided' AND client_id = $1`;
  expect(await harness.rows(decided, [tv.clientId])).toEqual([]);
});

test('a grant survives an unreachable database: the device gets store_unavailable, then its tokens', async () => {
  const grant = await begin();
  expect(await answer(grant.user_code, true)).toEqual({ kind: 'done', isAllowed: true });
  const gone = createTestPorts(harness.databaseUrl);
  await gone.end();
  expect(await outcomeOf(redeem(grant.device_code, { transact: gone.transact }))).toBe('store_unavailable');
  expect(await redeem(grant.device_code)).toMatchObject({ token_type: 'Bearer' });
});

/** The stored grant. */
const rowOf = async ({ user_code }: DeviceGrantAnswer) => {
  const text =
    'SELECT status, user_id, scope, audience, interval_seconds FROM oauth_device_grants WHERE user_code = $1';
  return (await harness.rows(text, [normaliseUserCode(user_code)]))[0];
};

test('a device gets its codes, the page for its user and the polling interval; without a scope it gets all scopes', async () => {
  const grant = await begin();
  expect(grant).toEqual({
    device_code: expect.stringMatching(/^[\w-]{43}$/),
    user_code: expect.stringMatching(/^[A-Z]{4}-[A-Z]{4}$/),
    verification_uri: `${ports.publicUrl}/device`,
    verification_uri_complete: `${ports.publicUrl}/device?user_code=${grant.user_code}`,
    expires_in: 600,
    interval: 5,
  });
  const { audience } = ports.tokenSettings;
  const scope = 'openid profile email';
  expect(await rowOf(grant)).toEqual({ status: 'pending', user_id: null, scope, audience, interval_seconds: 5 });
});

test.each([
  ['an unknown client', { clientId: 'unknown' }, 'client_unauthenticated'],
  ['a scope that is not registered for the client', { scope: 'openid own.signoffs' }, 'scope_invalid'],
  ['a resource that the client is not allowed', { resource: 'https://other.example.test' }, 'target_invalid'],
])('a device grant is refused for %s', async (_what, input, code) => {
  await expect(begin({}, input)).rejects.toMatchObject({ code });
});

test('a device grant is refused for a client without that grant type', async () => {
  const site = await harness.newClient();
  expect(await outcomeOf(begin({}, { clientId: site.clientId }, site.caller))).toBe('grant_not_allowed');
});

test('the page asks the user to sign in, then for the code, then shows client and scopes', async () => {
  const { user_code } = await begin({}, { scope: 'openid' });
  const show = (userCode: string | undefined, cookie?: string) => showDeviceGrant(ports, { userCode, cookie });
  expect(await show(user_code)).toEqual({ kind: 'sign-in' });
  expect(await show(undefined, user.cookie)).toMatchObject({ kind: 'ask-code', isUnknown: false });
  expect(await show(user_code.toLowerCase(), user.cookie)).toMatchObject({
    kind: 'confirm',
    userCode: normaliseUserCode(user_code),
    client: { clientId: tv.clientId },
    scopes: ['openid'],
    live: { user: { id: user.id } },
  });
});

test('the grant of a client that was disabled meanwhile is unknown and cannot be allowed', async () => {
  const app = await harness.newClient({ auth_method: 'none', grant_types: [DEVICE_GRANT] });
  const grant = await begin({}, { clientId: app.clientId });
  await harness.rows`UPDATE oauth_clients SET disabled = true WHERE "clientId" = ${app.clientId}`;
  await ports.access.load();
  expect(await answer(grant.user_code, true)).toMatchObject({ kind: 'ask-code', isUnknown: true });
  expect(await rowOf(grant)).toMatchObject({ status: 'pending' });
});

test('a decision needs a session that has not ended, even if its cookie is still cached', async () => {
  const grant = await begin();
  expect(await answer(grant.user_code, true, '')).toEqual({ kind: 'sign-in' });
  const guest = await harness.newUser();
  await harness.rows`DELETE FROM sessions WHERE id = ${guest.sessionId}`;
  expect(await answer(grant.user_code, true, guest.cookie)).toEqual({ kind: 'sign-in' });
  expect(await rowOf(grant)).toMatchObject({ status: 'pending', user_id: null });
});

test.each([
  [true, 'approved', 'ok'],
  [false, 'denied', 'denied'],
])('the user’s decision (%s) is stored as %s, with its event', async (isAllowed, status, outcome) => {
  const app = await harness.newClient({ auth_method: 'none', grant_types: [DEVICE_GRANT] });
  const grant = await begin({}, { clientId: app.clientId, scope: 'openid' });
  expect(await answer(grant.user_code, isAllowed)).toEqual({ kind: 'done', isAllowed });
  expect(await rowOf(grant)).toMatchObject({ status, user_id: user.id });
  const events = `SELECT outcome, detail FROM audit_outbox WHERE type = 'oauth.device_decided' AND client_id = $1`;
  const detail = { scope: 'openid', audience: ports.tokenSettings.audience };
  expect(await harness.rows(events, [app.clientId])).toEqual([{ outcome, detail }]);
});

test('a device that polls before the decision must wait, and polling too fast lengthens its interval', async () => {
  const grant = await begin();
  await expect(redeem(grant.device_code)).rejects.toMatchObject({ code: 'device_grant_pending' });
  expect(await rowOf(grant)).toMatchObject({ interval_seconds: 5 });
  // The next poll counts as early, however much time has passed on this machine.
  await harness.rows`UPDATE oauth_device_grants SET polled_at = clock_timestamp() WHERE polled_at IS NOT NULL`;
  await expect(redeem(grant.device_code)).rejects.toMatchObject({ code: 'device_polls_too_fast' });
  expect(await rowOf(grant)).toMatchObject({ interval_seconds: 10 });
});

test('an allowed grant is exchanged once, for a token family that outlives the session of the decision', async () => {
  const guest = await harness.newUser();
  const grant = await begin();
  await answer(grant.user_code, true, guest.cookie);
  await harness.rows`DELETE FROM sessions WHERE id = ${guest.sessionId}`;
  const tokens = await redeem(grant.device_code);
  expect(tokens).toMatchObject({ scope: 'openid profile email', id_token: expect.any(String) });
  const families = 'SELECT sid, client_id FROM refresh_families WHERE user_id = $1 AND client_id = $2';
  expect(await harness.rows(families, [guest.id, tv.clientId])).toEqual([{ sid: null, client_id: tv.clientId }]);
  await expect(redeem(grant.device_code)).rejects.toMatchObject({ code: 'device_code_invalid' });
});

test('of two concurrent exchanges only one creates a token family', async () => {
  const guest = await harness.newUser();
  const grant = await begin();
  await answer(grant.user_code, true, guest.cookie);
  const both = await Promise.allSettled([redeem(grant.device_code), redeem(grant.device_code)]);
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  const families = 'SELECT 1 FROM refresh_families WHERE user_id = $1 AND client_id = $2';
  expect(await harness.rows(families, [guest.id, tv.clientId])).toHaveLength(1);
});

test.each([
  ['none', undefined, 'request_invalid'],
  ['malformed', 'short', 'device_code_invalid'],
  ['never issued', 'A'.repeat(43), 'device_code_invalid'],
])('a device code is refused: %s', async (_what, deviceCode, code) => {
  await expect(redeem(deviceCode)).rejects.toMatchObject({ code });
});

test('a client cannot redeem the device code of another client', async () => {
  const rival = await harness.newClient({ auth_method: 'none', grant_types: [DEVICE_GRANT] });
  const grant = await begin();
  await answer(grant.user_code, true);
  await expect(redeem(grant.device_code, {}, rival.clientId)).rejects.toMatchObject({ code: 'device_code_invalid' });
  expect(await redeem(grant.device_code)).toHaveProperty('access_token');
});

test('an expired grant cannot be exchanged, even if the user allowed it', async () => {
  const grant = await begin();
  await answer(grant.user_code, true);
  await harness.rows`UPDATE oauth_device_grants SET expires_at = now() - make_interval(secs => 1)
    WHERE user_code = ${normaliseUserCode(grant.user_code)}`;
  await expect(redeem(grant.device_code)).rejects.toMatchObject({ code: 'device_code_expired' });
});

test.each([
  ['user', 'UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = $1'],
  ['user', 'SELECT user_every_login_end($1)'],
  ['user', 'UPDATE users SET "disabledAt" = now() WHERE id = $1'],
  ['user', 'DELETE FROM users WHERE id = $1'],
  ['client', 'UPDATE oauth_clients SET "tokenEpoch" = "tokenEpoch" + 1 WHERE "clientId" = $1'],
])('revoking all tokens of the %s after the decision ends the grant too', async (whose, ends) => {
  const guest = await harness.newUser();
  const app = await harness.newClient({ auth_method: 'none', grant_types: [DEVICE_GRANT] });
  const grant = await begin({}, { clientId: app.clientId });
  await answer(grant.user_code, true, guest.cookie);
  await harness.rows(ends, [whose === 'user' ? guest.id : app.clientId]);
  for (const _ of ['first', 'again'])
    await expect(redeem(grant.device_code, {}, app.clientId)).rejects.toMatchObject({ code: 'device_code_expired' });
  expect(await harness.rows`SELECT 1 FROM refresh_families WHERE client_id = ${app.clientId}`).toEqual([]);
});

test('a client without the refresh grant gets no refresh token, and without the scope openid no ID token', async () => {
  const app = await harness.newClient({ auth_method: 'none', grant_types: [DEVICE_GRANT] });
  const grant = await begin({}, { clientId: app.clientId, scope: 'email' });
  await answer(grant.user_code, true);
  const tokens = await redeem(grant.device_code, {}, app.clientId);
  expect(Object.keys(tokens).sort()).toEqual(['access_token', 'expires_in', 'scope', 'token_type']);
});

test('a device of a user with a second factor gets its tokens; a factor that comes after the approval ends the grant', async () => {
  const addFactor = (userId: string) =>
    harness.rows`INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified)
      VALUES (gen_random_uuid(), ${userId}, 'x', 'x', true)`;
  const strong = await harness.newUser();
  await addFactor(strong.id);
  const { cookie } = await openSessionFor(harness, strong.id, TWO_FACTORS);
  const approved = await begin();
  await answer(approved.user_code, true, cookie);
  expect(await redeem(approved.device_code)).toMatchObject({ token_type: 'Bearer' });
  const later = await harness.newUser();
  const early = await begin();
  await answer(early.user_code, true, later.cookie);
  await addFactor(later.id);
  await expect(redeem(early.device_code)).rejects.toThrow();
});
