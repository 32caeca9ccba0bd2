import { describe, expect, test } from 'vitest';
import { createAuthenticator } from '#tools/testing/fakes/authenticator.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { newEmail, newPassword, refresh, signUp, type TestUser } from '#tools/testing/flows/flows.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import {
  askToken,
  browserOf,
  codeOf as consentedCodeOf,
  newOAuthClient,
  newVerifier,
} from '#tools/testing/harness/oauth.ts';
import { type ClientCredentials, cookieOf, type Received, send } from '#tools/testing/http-client.ts';
import { openMailFolder } from '#tools/testing/mail-folder.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { whileItWaits } from '#tools/testing/overtaken.ts';
import { openSecurityHarness, type SecurityHarness } from './security-harness.ts';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';

/** A user signed in at home recently, and an attacker with the password in another place, before the detections ran. */
type Theft = { readonly owner: TestUser; readonly home: Received; readonly thief: Received };

const harness = opened(openSecurityHarness);
const api = partOf(() => harness.api);
const mails = opened(() => openMailFolder(api.workerPorts));
/** The client that devices are authorized for. */
const tv = opened(() => newOAuthClient([api, harness.other], 'none', [DEVICE, 'refresh_token']));
let places = 0;

const rows: SecurityHarness['rows'] = (...asked) => harness.rows(...asked);
/** A write from one of our own pages, which succeeds. */
async function act(path: string, cookie: string, json: object = {}): Promise<Received> {
  const answer = await send(api.url, 'POST', path, { cookie, json, headers: { origin: API_URL } });
  if (answer.status >= 300) throw new Error(`${path} ${answer.status} ${answer.text}`);
  return answer;
}
const signInFrom: SecurityHarness['signInFrom'] = async (...asked) => {
  const answer = await harness.signInFrom(...asked);
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`);
  return answer;
};
async function theft(): Promise<Theft> {
  const owner = await signUp({ api: api.url });
  places += 1;
  await rows`UPDATE sessions SET "createdAt" = now() - interval '1 hour' WHERE "userId" = ${owner.id}`;
  const home = await signInFrom(owner, `192.0.2.${places}`, 'Firefox on the desk');
  const thief = await signInFrom(owner, `203.0.113.${places}`, 'curl');
  return { owner, home, thief };
}
/** Another sign-in of the attacker, in a browser known to the account, with the first session still open. */
function again({ owner, thief }: Theft): Promise<Received> {
  const device = cookieOf(thief).match(/sallyport\.device=[^;]+/)?.[0] as string;
  return signInFrom(owner, '203.0.113.250', 'curl', { cookie: device });
}
/** The status of a refresh with these tokens, or its error code. */
async function refreshed({ body }: Received): Promise<string | number> {
  const answer = await refresh({ api: api.url }, (body.tokens ?? body.login.tokens).refresh_token);
  return answer.body.code ?? answer.status;
}
async function passkeyBy(cookie: string) {
  const { options, challenge } = (await act('/api/auth/passkey/register/options', cookie)).body;
  const key = createAuthenticator();
  const response = key.create(options, { origin: API_URL });
  const made = await act('/api/auth/passkey/register/verify', cookie, { challenge, response, name: 'a key' });
  return { made, key };
}
async function totpBy(cookie: string, password: string): Promise<Received> {
  const { totp_uri: uri } = (await act('/api/auth/two-factor/enable', cookie, { password })).body;
  return act('/api/auth/two-factor/confirm', cookie, { code: codeOf(uri) });
}
/** A device that the holder of this cookie allows; its code. */
async function allowDevice(owner: TestUser, cookie: string): Promise<string> {
  const form = { client_id: tv.client_id };
  const { body } = await send(api.url, 'POST', '/oauth2/device_authorization', { form });
  const browser = browserOf(api, { ...owner, cookie });
  const shown = await browser.open(`/device?user_code=${body.user_code}`);
  await browser.submit(shown, { decision: 'allow' });
  return body.device_code;
}
const poll = (device_code: string): Promise<Received> => askToken(api, tv, { grant_type: DEVICE, device_code });
const linkOf = ({ id }: TestUser, subject: string) =>
  rows`INSERT INTO accounts (id, "userId", "providerId", "accountId")
    VALUES (${`${subject}-${id}`}, ${id}, 'company', ${`${subject}-${id}`})`;
/** Backdates it to just before the attacker's sign-in. */
const justBefore = ({ id: owner }: TestUser, table: 'accounts' | 'passkeys', id: string) =>
  // Rounded, so one millisecond could become none.
  rows(
    `UPDATE ${table} SET "createdAt" = (SELECT max(occurred_at) FROM audit_outbox
       WHERE type = 'user.login' AND outcome = 'ok' AND target_id = $1) - interval '2 milliseconds' WHERE id = $2`,
    [owner, id],
  );
const sessionsOf = ({ id }: TestUser) => rows`SELECT id FROM sessions WHERE "userId" = ${id}`;
/** The audit events of it, oldest first. */
const eventsOf = (type: string, targetId: string) =>
  rows`SELECT actor_kind, detail FROM audit_outbox WHERE type = ${type} AND target_id = ${targetId} ORDER BY id`;

describe('an attacker who replaces the session or cookie of the sign-in before the detections run', () => {
  // A step-up and a sign-in keep the session of the sign-in, so the owner's sessions at home need not end.
  test.each<[string, (stolen: Theft) => Promise<Received>, atHome: string | number]>([
    ['steps up', ({ owner, thief }) => act('/api/auth/step-up', cookieOf(thief), { password: owner.password }), 200],
    [
      'changes the password',
      ({ owner, thief }) =>
        act('/api/auth/change-password', cookieOf(thief), {
          current_password: owner.password,
          new_password: newPassword(),
        }),
      'session_ended',
    ],
    [
      'signs in once more by the cookie that made him known',
      ({ owner, thief }) => signInFrom(owner, '203.0.113.250', 'curl', { cookie: cookieOf(thief) }),
      200,
    ],
  ])('and %s has no session left', async (_how, replace, atHome) => {
    const stolen = await theft();
    const replacing = await replace(stolen);
    expect(replacing.status).toBe(200);
    await harness.detect();
    expect(await harness.incidentsOf(stolen.owner.id)).toMatchObject([
      { detection: 'impossible_travel', actions: ['end_session', 'step_up'] },
    ]);
    expect(await sessionsOf(stolen.owner)).not.toContainEqual({ id: replacing.body.session.id });
    expect(await refreshed(replacing)).toBe('session_ended');
    expect(await refreshed(stolen.thief)).toBe('session_ended');
    expect(await refreshed(stolen.home)).toBe(atHome);
  });

  test('an attacker who did nothing yet loses that session, and the owner none', async () => {
    const { owner, home, thief } = await theft();
    await harness.detect();
    expect(await sessionsOf(owner)).toHaveLength(2);
    expect([await refreshed(thief), await refreshed(home)]).toEqual(['session_ended', 200]);
  });
});

describe('a copy whose clock is a minute behind and dates the attacker’s actions before the sign-in', () => {
  const behind = (table: string, column: string, where: string, id: string) =>
    rows(`UPDATE ${table} SET ${column} = ${column} - interval '1 minute' WHERE ${where} = $1 RETURNING 1`, [id]);

  test('hides no second session', async () => {
    const stolen = await theft();
    const second = await again(stolen);
    expect(await behind('sessions', '"createdAt"', 'id', second.body.session.id)).toHaveLength(1);
    await harness.detect();
    expect(await sessionsOf(stolen.owner)).toEqual([]);
    for (const login of [second, stolen.thief, stolen.home]) expect(await refreshed(login)).toBe('session_ended');
  });

  test('hides no device, even if the session that allowed it is gone', async () => {
    const stolen = await theft();
    const second = await again(stolen);
    const deviceCode = await allowDevice(stolen.owner, cookieOf(second));
    await act('/api/auth/signout', cookieOf(second));
    expect(await behind('oauth_device_grants', 'auth_time', 'user_id', stolen.owner.id)).toHaveLength(1);
    await harness.detect();
    expect((await poll(deviceCode)).body.code).toBe('device_code_expired');
    expect(await sessionsOf(stolen.owner)).toEqual([]);
  });

  test('hides no passkey; one from just before the sign-in stays', async () => {
    const { owner } = await theft();
    for (const key of ['owner', 'thief'])
      await rows`
        INSERT INTO passkeys (id, "publicKey", "userId", "credentialID", counter, "deviceType", "backedUp", "createdAt")
        VALUES (${`${key}-${owner.id}`}, '', ${owner.id}, ${`${key}-${owner.id}`}, 0, 'singleDevice', false,
          now() - interval '1 minute')`;
    await justBefore(owner, 'passkeys', `owner-${owner.id}`);
    await harness.detect();
    const left = await rows`SELECT id FROM passkeys WHERE "userId" = ${owner.id}`;
    expect(left).toEqual([{ id: `owner-${owner.id}` }]);
  });
});

describe('while a batch refreshes the token families to revoke', () => {
  test.each<[string, (stolen: Theft) => Promise<unknown>]>([
    ['another session of the thief', (stolen) => again(stolen)],
    ['a login of a device', async ({ owner, thief }) => poll(await allowDevice(owner, cookieOf(thief)))],
    ['an account that he linked', ({ owner }) => linkOf(owner, 'batch')],
  ])(
    'families are locked in the order in which the batch locks them: %s never causes a deadlock',
    async (_what, gains) => {
      const stolen = await theft();
      await gains(stolen);
      const families = await rows`SELECT id, sid FROM refresh_families WHERE user_id = ${stolen.owner.id} ORDER BY id`;
      const [first] = families;
      const taken = families.findIndex(({ sid }) => sid === stolen.thief.body.session.id);
      expect(taken, 'its own session is not the first by id').toBeGreaterThan(0);
      const hold = 'SELECT 1 FROM refresh_families WHERE id = $1 FOR NO KEY UPDATE';
      await whileItWaits(
        api.stores.pools.main,
        [[hold, [first?.id]]],
        () => harness.detect(),
        // No family above the one that it waits for is locked.
        (batch) => batch.query(`${hold} NOWAIT`, [families[taken]?.id]),
      );
      expect(await sessionsOf(stolen.owner)).toEqual([]);
      expect(await harness.incidentsOf(stolen.owner.id)).toMatchObject([{ count: 1 }]);
    },
  );
});

describe('what an attacker added before the detection is removed, and what existed before stays', () => {
  test('a passkey', async () => {
    const { owner, thief } = await theft();
    const { made, key } = await passkeyBy(cookieOf(thief));
    await harness.detect();
    expect(await rows`SELECT FROM passkeys WHERE "userId" = ${owner.id}`).toEqual([]);
    expect(await rows`SELECT FROM two_factors WHERE "userId" = ${owner.id}`).toEqual([]);
    expect(await eventsOf('factor.removed', owner.id)).toMatchObject([
      { actor_kind: 'system', detail: { factor: 'passkey' } },
    ]);
    expect([await refreshed(made), await sessionsOf(owner)]).toEqual(['session_ended', []]);
    const { options, challenge } = (await send(api.url, 'POST', '/api/auth/passkey/sign-in/options')).body;
    const json = { challenge, response: key.get(options, { origin: API_URL }) };
    const again = await send(api.url, 'POST', '/api/auth/passkey/sign-in/verify', { json });
    expect(again.body.code).toBe('passkey_refused');
  });

  test('an authenticator app, even if its row is as old as the recovery codes of a passkey', async () => {
    const { owner, thief } = await theft();
    const { made } = await passkeyBy(cookieOf(thief));
    const confirmed = await totpBy(cookieOf(made), owner.password);
    await rows`UPDATE two_factors SET "createdAt" = now() - interval '1 day' WHERE "userId" = ${owner.id}`;
    await rows`UPDATE passkeys SET "createdAt" = now() - interval '1 day' WHERE "userId" = ${owner.id}`;
    await harness.detect();
    expect(await rows`SELECT verified, "codesLeft" FROM two_factors WHERE "userId" = ${owner.id}`).toEqual([
      { verified: false, codesLeft: 0 },
    ]);
    expect(await rows`SELECT "twoFactorEnabled" FROM users WHERE id = ${owner.id}`).toEqual([
      { twoFactorEnabled: false },
    ]);
    expect(await rows`SELECT FROM passkeys WHERE "userId" = ${owner.id}`, 'of before').toHaveLength(1);
    expect(await eventsOf('factor.removed', owner.id)).toMatchObject([{ detail: { factor: 'totp' } }]);
    expect(await eventsOf('recovery_codes.voided', owner.id)).toEqual([
      { actor_kind: 'system', detail: { left: 10, reason: 'impossible_travel' } },
    ]);
    expect([await refreshed(confirmed), await sessionsOf(owner)]).toEqual(['session_ended', []]);
  });

  test('a linked account', async () => {
    const { owner } = await theft();
    for (const subject of ['owner', 'thief']) await linkOf(owner, subject);
    await justBefore(owner, 'accounts', `owner-${owner.id}`);
    await harness.detect();
    const left = await rows`SELECT id FROM accounts WHERE "userId" = ${owner.id} AND "providerId" = 'company'`;
    expect(left).toEqual([{ id: `owner-${owner.id}` }]);
    expect(await rows`SELECT FROM accounts WHERE "userId" = ${owner.id} AND password IS NOT NULL`).toHaveLength(1);
    expect(await eventsOf('account.unlinked', owner.id)).toMatchObject([
      { actor_kind: 'system', detail: { provider: 'company' } },
    ]);
    expect(await sessionsOf(owner)).toEqual([]);
  });

  test('an API key, and one whose secret the attacker replaced', async () => {
    const { owner, thief } = await theft();
    const bearer = thief.body.tokens.access_token;
    const make = async (name: string): Promise<string> => {
      const made = await send(api.url, 'POST', '/v1/api-keys', { bearer, json: { name } });
      expect(made.status, made.text).toBe(201);
      return made.body.api_key.api_key_id;
    };
    const [kept, rotated, made] = [await make('kept'), await make('rotated'), await make('made')];
    await rows`UPDATE api_keys SET created_at = now() - interval '1 day' WHERE id = ANY (${[kept, rotated]})`;
    const turned = await send(api.url, 'POST', `/v1/api-keys/${rotated}/rotate`, { bearer, json: {} });
    expect(turned.status, turned.text).toBe(200);
    await harness.detect();
    const revoked = await rows`SELECT id, revoke_reason FROM api_keys
      WHERE user_id = ${owner.id} AND revoked_at IS NOT NULL ORDER BY id`;
    expect(revoked).toEqual([rotated, made].map((id) => ({ id, revoke_reason: 'impossible_travel' })));
    for (const id of [rotated, made])
      expect(await eventsOf('api_key.revoked', id)).toMatchObject([
        { actor_kind: 'system', detail: { reason: 'impossible_travel' } },
      ]);
    // A key opens no session: nothing else ends, and an earlier key still works for its owner.
    expect(await sessionsOf(owner)).toHaveLength(2);
    const apiKeys = await rows`SELECT k.id FROM api_keys k JOIN users u ON u.id = k.user_id
      WHERE u.id = ${owner.id} AND k.owner_epoch = u."tokenEpoch"`;
    expect(apiKeys).toContainEqual({ id: kept });
  });

  test('a device that the attacker allowed, redeemed or not', async () => {
    const fetched = await theft();
    const device = await poll(await allowDevice(fetched.owner, cookieOf(fetched.thief)));
    expect(device.status, device.text).toBe(200);
    const waiting = await theft();
    const deviceCode = await allowDevice(waiting.owner, cookieOf(waiting.thief));
    await harness.detect();
    const { refresh_token } = device.body;
    const later = await askToken(api, tv, { grant_type: 'refresh_token', refresh_token });
    expect([later.status, later.body.error]).toEqual([400, 'invalid_grant']);
    expect((await poll(deviceCode)).body.code).toBe('device_code_expired');
    for (const { owner } of [fetched, waiting]) expect(await sessionsOf(owner)).toEqual([]);
  });

  test('a requested address change, whether its mail was sent or waits', async () => {
    for (const isSent of [true, false]) {
      const { owner, home, thief } = await theft();
      const address = newEmail();
      await act('/api/auth/change-email', cookieOf(thief), { new_email: address });
      if (isSent) expect(await mails.to(address)).toHaveLength(1);
      await harness.detect();
      const token = (await mails.to(address)).at(-1)?.code;
      expect(token).toBeDefined();
      // Even once the account is unlocked with its password.
      expect((await harness.post(`/v1/admin/users/${owner.id}/unlock`, { reason: 'called' })).status).toBe(200);
      const { password } = owner;
      const answer = await send(api.url, 'POST', '/api/auth/verify-email', { json: { token, password } });
      expect([answer.status, answer.body.code]).toEqual([400, 'code_invalid']);
      expect(await rows`SELECT email FROM users WHERE id = ${owner.id}`).toEqual([{ email: owner.email }]);
      expect(await refreshed(home), 'it is no session').toBe(200);
    }
  });

  test('consents of the attacker: the client loses them, and keeps the owner’s earlier ones', async () => {
    const { owner, thief } = await theft();
    const [before, his] = await Promise.all(
      [1, 2].map(() => newOAuthClient([api, harness.other], 'client_secret_basic', ['authorization_code'])),
    );
    const granted = async (client: ClientCredentials | undefined): Promise<string[]> =>
      (
        await rows`SELECT unnest(scopes) AS scope FROM oauth_consents
          WHERE user_id = ${owner.id} AND client_id = ${client?.client_id}`
      ).map(({ scope }) => scope);
    await rows`INSERT INTO oauth_consents (user_id, client_id, audience, scopes, granted_at)
      VALUES (${owner.id}, ${before?.client_id}, 'a', '{openid}', now() - interval '1 minute')`;
    await consentedCodeOf(api, { ...owner, cookie: cookieOf(thief) }, his?.client_id as string, newVerifier());
    expect(await granted(his)).toContain('openid');
    await harness.detect();
    expect([await granted(his), await granted(before)]).toEqual([[], ['openid']]);
    expect(await eventsOf('oauth.consent_withdrawn', his?.client_id as string)).toMatchObject([
      { actor_kind: 'system', detail: { user_id: owner.id } },
    ]);
  });

  test('an address change whose mail the attacker already read: refused until the detections have run, then cancelled', async () => {
    const { owner, thief } = await theft();
    const address = newEmail();
    await act('/api/auth/change-email', cookieOf(thief), { new_email: address });
    const token = (await mails.to(address)).at(-1)?.code;
    const verify = () => send(api.url, 'POST', '/api/auth/verify-email', { json: { token }, cookie: cookieOf(thief) });
    const early = await verify();
    expect([early.status, early.body.code]).toEqual([429, 'login_locked']);
    expect(await rows`SELECT email FROM users WHERE id = ${owner.id}`).toEqual([{ email: owner.email }]);
    await harness.seal();
    expect((await verify()).body.code, 'sealed, and not judged').toBe('login_locked');
    await rows`WITH passed AS (INSERT INTO unjudged_events (seq, failure, next_try_at)
        SELECT max(seq), 'P0001', now() FROM audit_events WHERE type = 'user.login' AND target_id = ${owner.id})
      UPDATE detection_progress SET seq = (SELECT max(seq) FROM audit_events)`;
    expect((await verify()).body.code, 'passed over').toBe('login_locked');
    await harness.detect();
    expect((await verify()).status).toBe(400);
    expect(await rows`SELECT email FROM users WHERE id = ${owner.id}`).toEqual([{ email: owner.email }]);
    expect(await mails.to(address), 'nothing that unlocks').toHaveLength(1);
  });

  test('where every session is ended at once, the additions are removed too', async () => {
    const owner = await signUp({ api: api.url });
    const ip = '198.51.100.99';
    for (let n = 0; n < 50; n += 1) await harness.failFrom(ip, newEmail());
    const thief = await signInFrom(owner, ip, 'stuffer');
    expect(thief.status).toBe(200);
    await passkeyBy(cookieOf(thief));
    await harness.detect();
    expect(await harness.incidentsOf(owner.id)).toMatchObject([{ actions: ['revoke_sessions', 'step_up'] }]);
    expect(await rows`SELECT FROM passkeys WHERE "userId" = ${owner.id}`).toEqual([]);
  });
});
