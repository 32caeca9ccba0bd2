import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { type ProviderAccount, startOidcProvider } from '#tools/testing/fakes/oidc-provider.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { openPeopleHarness, type PeopleHarness } from '#tools/testing/harness/people.ts';
import { made, opened } from '#tools/testing/opened.ts';
import { userHeld, whileItWaits } from '#tools/testing/overtaken.ts';
import { disablePasswordSignIn } from '../sign-in/sign-in-guard.ts';
import { type CallbackAnswer, type CallbackInput, handleOAuthCallback } from './handle-oauth-callback.ts';
import { createSocialProviders } from './providers.ts';
import { type StartSocialInput, startSocialSignIn } from './start-social-sign-in.ts';

const OWN = 'http://api.sallyport.test';
const REFUSED = { code: 'social_sign_in_refused' };

const oidc = opened(() => startOidcProvider([`${OWN}/api/auth/callback/company`]));
const harness = opened(openPeopleHarness);
const ports = made(() => {
  const { issuer, clientId, clientSecret } = oidc;
  const company = { issuer, clientId, clientSecret, allowPrivateAddresses: true };
  const impostor = { ...company, issuer: `${issuer}/` };
  const guarded = { ...company, allowPrivateAddresses: false };
  const socialProviders = createSocialProviders({ company, other: company, impostor, guarded }, OWN);
  return { ...harness.deps, socialProviders };
});

const caller = {
  kind: 'anonymous',
  request: { ip: '192.0.2.7', userAgent: 'test/1', traceId: '', traceparent: '' },
} as const;
const rows: PeopleHarness['rows'] = (...asked) => harness.rows(...asked);
const account = (members: Partial<ProviderAccount> = {}): ProviderAccount => {
  const sub = randomUUID();
  return { sub, email: `${sub}@people.test`, email_verified: true, name: 'Ada', ...members };
};
const loginEvents = (): Promise<{ outcome: string; target_id: string | null; detail: object }[]> =>
  rows`SELECT outcome, target_id, detail FROM audit_outbox WHERE type = 'user.login' ORDER BY id`;
const someone = () => newSignedIn({ ports, stores: { pools: { main: harness.pool } } });

/** The callback of the browser, with the cookies set at the start. */
async function back(profile: ProviderAccount, asked: Partial<StartSocialInput> = {}): Promise<CallbackInput> {
  const begun = await startSocialSignIn(ports, { provider: 'company', ...asked }, caller);
  const { state = '', code, iss: issuer } = Object.fromEntries((await oidc.signIn(begun.url, profile)).searchParams);
  const own = begun.setCookie.map((line) => line.split(';', 1)[0]);
  return { provider: 'company', state, code, issuer, cookie: [asked.cookie ?? '', ...own].join('; ') };
}
const finish = (input: CallbackInput): Promise<CallbackAnswer> => handleOAuthCallback(ports, input, caller);
const signIn = async (profile: ProviderAccount, asked?: Partial<StartSocialInput>): Promise<CallbackAnswer> =>
  finish(await back(profile, asked));
const idIn = ({ result }: CallbackAnswer): string => result?.user.id as string;

describe('signing in with a code from a provider', () => {
  test('opens a session with its token pair and cookies, returns the return address, and is one event with its origin', async () => {
    const answer = await signIn(account(), { callbackUrl: '/welcome' });
    expect(answer.callbackUrl).toBe('/welcome');
    expect(answer.result).toMatchObject({ isNewUser: true, tokens: { token_type: 'Bearer' } });
    const names = answer.setCookie.map((line) => line.slice(0, line.indexOf('=')));
    expect(names).toEqual(['better-auth.session_token', 'sallyport.csrf', 'sallyport.device']);
    const [event] = (await loginEvents()).slice(-1);
    expect(event).toEqual({
      outcome: 'ok',
      target_id: idIn(answer),
      detail: { factor: 'social', provider: 'company', session_id: answer.result?.session.id, known_device: false },
    });
  });

  test('from a signed-in browser renews its session, and the browser is a known device', async () => {
    const profile = account();
    const first = await signIn(profile);
    const cookie = first.setCookie.map((line) => line.split(';', 1)[0]).join('; ');
    const second = await signIn(profile, { cookie });
    expect(second.result).toMatchObject({ isNewUser: false, user: { id: idIn(first) } });
    expect(second.result?.session.id).toBe(first.result?.session.id);
    expect(await rows`SELECT id FROM sessions WHERE "userId" = ${idIn(first)}`).toEqual([
      { id: second.result?.session.id },
    ]);
    expect((await loginEvents()).at(-1)?.detail).toMatchObject({ known_device: true });
  });

  test('of a user with a second factor requires it, opens no session, and passes on the return address', async () => {
    const profile = account();
    const userId = idIn(await signIn(profile));
    await rows`INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified)
      VALUES (${randomUUID()}, ${userId}, 'x', '[]', true)`;
    await rows`DELETE FROM sessions WHERE "userId" = ${userId}`;
    const members = { challenge: expect.stringMatching(/^[\w-]{43}$/), factors: expect.arrayContaining(['totp']) };
    await expect(signIn(profile)).rejects.toMatchObject({ code: 'second_factor_required', options: { members } });
    await expect(signIn(profile, { callbackUrl: '/welcome' })).rejects.toMatchObject({
      code: 'second_factor_required',
      options: { members: { ...members, callbackURL: '/welcome' } },
    });
    expect(await rows`SELECT 1 FROM sessions WHERE "userId" = ${userId}`).toEqual([]);
    expect((await loginEvents()).at(-1)).toMatchObject({ outcome: 'second_factor_asked', target_id: userId });
  });

  test('of a user who owes a second factor opens no session, and asks to enrol one', async () => {
    const profile = account();
    const userId = idIn(await signIn(profile));
    await rows`UPDATE users SET "owesFactor" = true WHERE id = ${userId}`;
    await expect(signIn(profile)).rejects.toMatchObject({
      code: 'second_factor_required',
      options: { members: { factors: ['enrolment'], challenge: expect.stringMatching(/^[\w-]{43}$/) } },
    });
    expect(await rows`SELECT 1 FROM sessions WHERE "userId" = ${userId}`).toEqual([]);
  });

  test('for an account locked by an incident is refused for an unknown browser only, with one event', async () => {
    const profile = account();
    const first = await signIn(profile);
    const userId = idIn(first);
    await ports.transact((tx) => disablePasswordSignIn(tx, ports, { userId, email: profile.email as string }));
    const before = await loginEvents();
    await expect(signIn(profile)).rejects.toMatchObject({
      code: 'login_locked',
      options: { retryAfterSeconds: 86_400 },
    });
    expect((await loginEvents()).slice(before.length)).toEqual([
      { outcome: 'locked', target_id: userId, detail: { factor: 'social', provider: 'company', known_device: false } },
    ]);
    const cookie = first.setCookie.map((line) => line.split(';', 1)[0]).join('; ');
    expect(idIn(await signIn(profile, { cookie }))).toBe(userId);
  });
});

describe('GHSA-wxw3-q3m9-c3jr mismatched callbacks are refused, with an event without a user', () => {
  const refusals: [string, (input: CallbackInput) => CallbackInput | Promise<CallbackInput>][] = [
    ['an unknown state', (input) => ({ ...input, state: randomUUID() })],
    ['a browser without its secret', (input) => ({ ...input, cookie: undefined })],
    ['another browser', async (input) => ({ ...input, cookie: (await back(account())).cookie })],
    ['another provider', (input) => ({ ...input, provider: 'other' })],
    ['a user who declined', (input) => ({ ...input, code: undefined })],
    ['another issuer (RFC 9207)', (input) => ({ ...input, issuer: 'https://evil.example' })],
    ['a code of another attempt', async (input) => ({ ...input, code: (await back(account())).code })],
  ];
  test.each(refusals)('%s; the attempt is consumed if its state was presented', async (_what, change) => {
    const input = await back(account());
    const changed = await change(input);
    const before = await loginEvents();
    await expect(finish(changed)).rejects.toMatchObject(REFUSED);
    expect((await loginEvents()).slice(before.length)).toEqual([
      { outcome: 'refused', target_id: null, detail: { factor: 'social', provider: changed.provider } },
    ]);
    if (changed.state === input.state) await expect(finish(input)).rejects.toMatchObject(REFUSED);
  });

  test('an expired attempt', async () => {
    const input = await back(account());
    await rows`UPDATE social_sign_ins SET expires_at = now() - interval '1 second'`;
    await expect(finish(input)).rejects.toMatchObject(REFUSED);
  });

  test('of many concurrent identical callbacks, one succeeds', async () => {
    const input = await back(account());
    const answers = await Promise.allSettled(Array.from({ length: 6 }, () => finish(input)));
    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});

test('an unavailable provider is not answered as a refused sign-in, and writes no event', async () => {
  const leaving = await startOidcProvider([`${OWN}/api/auth/callback/leaving`]);
  const { issuer, clientId, clientSecret } = leaving;
  const settings = { leaving: { issuer, clientId, clientSecret, allowPrivateAddresses: true } };
  const at = { ...ports, socialProviders: createSocialProviders(settings, OWN) };
  const begun = await startSocialSignIn(at, { provider: 'leaving' }, caller);
  const { state = '', code, iss } = Object.fromEntries((await leaving.signIn(begun.url, account())).searchParams);
  await leaving.close();
  const before = await loginEvents();
  const input = { provider: 'leaving', state, code, issuer: iss, cookie: begun.setCookie[0]?.split(';', 1)[0] };
  await expect(handleOAuthCallback(at, input, caller)).rejects.toMatchObject({
    code: 'social_provider_unavailable',
    options: { retryAfterSeconds: 5 },
  });
  expect(await loginEvents()).toEqual(before);
});

describe('linking', () => {
  const waysOf = (userId: string) => rows`SELECT "providerId" FROM accounts WHERE "userId" = ${userId}`;

  test('adds one sign-in method for the user who started it, opens no session, and a mail notifies the owner', async () => {
    const person = await someone();
    const asked = { linkUserId: person.id, cookie: person.cookie, callbackUrl: '/ways' };
    const profile = account();
    const mails = () => rows`SELECT count(*)::int AS mails FROM mail_outbox WHERE template = 'account_linked'`;
    const [{ mails: before }] = await mails();
    for (const _ of ['first', 'again'])
      expect(await signIn(profile, asked)).toEqual({ result: null, callbackUrl: '/ways', setCookie: [] });
    expect(await waysOf(person.id)).toEqual([{ providerId: 'company' }]);
    expect(await mails()).toEqual([{ mails: before + 1 }]);
    expect(idIn(await signIn(profile))).toBe(person.id);
  });

  test('an account linked to another user is refused: social_account_taken', async () => {
    const profile = account();
    await signIn(profile);
    const person = await someone();
    const asked = { linkUserId: person.id, cookie: person.cookie };
    await expect(signIn(profile, asked)).rejects.toMatchObject({ code: 'social_account_taken' });
    expect(await waysOf(person.id)).toEqual([]);
  });

  test('an address not verified by the provider is refused: social_email_unproven', async () => {
    const person = await someone();
    const asked = { linkUserId: person.id, cookie: person.cookie };
    await expect(signIn(account({ email_verified: false }), asked)).rejects.toMatchObject({
      code: 'social_email_unproven',
    });
    expect(await waysOf(person.id)).toEqual([]);
  });

  test('linking started in one session cannot be completed in another, or without one (CVE-2026-105207, ZITADEL: an attacker linked an identity to the account of a victim)', async () => {
    const [one, two] = [await someone(), await someone()];
    for (const cookie of [two.cookie, ''])
      await expect(signIn(account(), { linkUserId: one.id, cookie })).rejects.toMatchObject(REFUSED);
    expect([await waysOf(one.id), await waysOf(two.id)]).toEqual([[], []]);
  });

  test('a callback that comes a second time links nothing, also after the account was unlinked', async () => {
    const person = await someone();
    const input = await back(account(), { linkUserId: person.id, cookie: person.cookie });
    await finish(input);
    await expect(finish(input)).rejects.toMatchObject(REFUSED);
    await rows`DELETE FROM accounts WHERE "userId" = ${person.id}`;
    await expect(finish(input)).rejects.toMatchObject(REFUSED);
    expect(await waysOf(person.id)).toEqual([]);
  });

  test('the state of another user’s attempt links nothing to either, and neither does a newer session of another user in the same browser', async () => {
    const [victim, attacker] = [await someone(), await someone()];
    const begun = await back(account(), { linkUserId: attacker.id, cookie: attacker.cookie });
    // The victim's browser has the session of the victim, with or without the attacker's secret of the attempt.
    const secret = begun.cookie?.slice(attacker.cookie.length) ?? '';
    for (const cookie of [victim.cookie, victim.cookie + secret]) {
      const next = await back(account(), { linkUserId: attacker.id, cookie: attacker.cookie });
      await expect(finish({ ...next, cookie })).rejects.toMatchObject(REFUSED);
    }
    await expect(finish({ ...begun, cookie: victim.cookie + secret })).rejects.toMatchObject(REFUSED);
    expect([await waysOf(victim.id), await waysOf(attacker.id)]).toEqual([[], []]);
  });

  test('an account at the provider with an administrator’s address is a way in to the account that linked it, and none to the administrator’s', async () => {
    const [admin, person] = [await someone(), await someone()];
    await rows`INSERT INTO user_roles (user_id, role) VALUES (${admin.id}, 'admin')`;
    const [{ email }] = await rows`UPDATE users SET "emailVerified" = now() WHERE id = ${admin.id} RETURNING email`;
    const profile = account({ email });
    await signIn(profile, { linkUserId: person.id, cookie: person.cookie });
    expect(idIn(await signIn(profile))).toBe(person.id);
    expect(await waysOf(admin.id)).toEqual([]);
    expect(await rows`SELECT email FROM users WHERE id = ${person.id}`).not.toEqual([{ email }]);
    expect(await rows`SELECT role FROM user_roles WHERE user_id = ${person.id}`).not.toContainEqual({
      role: 'admin',
    });
  });

  test('a session of one factor links nothing to an account that has another, also if it began before', async () => {
    const person = await someone();
    const input = await back(account(), { linkUserId: person.id, cookie: person.cookie });
    // Past the trigger that ends such sessions: the rule must not rest on their end.
    await rows`WITH plain AS MATERIALIZED (SELECT set_config('session_replication_role', 'replica', true))
      INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified)
      SELECT gen_random_uuid(), ${person.id}, 'x', 'x', true FROM plain`;
    await expect(finish(input)).rejects.toMatchObject({ code: 'step_up_required' });
    expect(await waysOf(person.id)).toEqual([]);
  });

  test('a session that ends while it links an account links none', async () => {
    const person = await someone();
    const input = await back(account(), { linkUserId: person.id, cookie: person.cookie });
    const end = 'DELETE FROM sessions WHERE "userId" = $1';
    const linked = whileItWaits(
      harness.pool,
      [userHeld(person.id)],
      () => finish(input),
      (holder) => holder.query(end, [person.id]),
    );
    await expect(linked).rejects.toMatchObject(REFUSED);
    expect(await waysOf(person.id)).toEqual([]);
  });
});

describe('starting a sign-in', () => {
  const leave = (input: StartSocialInput) => startSocialSignIn(ports, input, caller);

  test('stores only hashes of the attempt, for ten minutes; tabs of a browser share its secret', async () => {
    const first = await leave({ provider: 'company' });
    const [line = ''] = first.setCookie;
    expect(line).toMatch(/^sallyport\.social=[\w-]{43}; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax$/);
    const cookie = line.split(';', 1)[0] as string;
    expect((await leave({ provider: 'company', cookie })).setCookie).toEqual(first.setCookie);
    const state = new URL(first.url).searchParams.get('state') as string;
    const kept = JSON.stringify(await rows`SELECT * FROM social_sign_ins`);
    for (const secret of [state, cookie.slice(cookie.indexOf('=') + 1)]) expect(kept).not.toContain(secret);
  });

  test.each<[string, StartSocialInput, string]>([
    ['a provider that is not configured', { provider: 'acme' }, 'social_provider_unknown'],
    [
      'a return address on another origin',
      { provider: 'company', callbackUrl: 'https://evil.example/' },
      'callback_refused',
    ],
    ['a provider that publishes another issuer', { provider: 'impostor' }, 'social_provider_unavailable'],
    ['a provider on a private network without permission', { provider: 'guarded' }, 'social_provider_unavailable'],
  ])(
    'a start is refused, and no attempt is stored: %s (CVE-2026-53513, Better Auth: the server called the addresses of a provider on its own network)',
    async (_what, input, code) => {
      const attempts = () => rows`SELECT count(*)::int AS attempts FROM social_sign_ins`;
      const before = await attempts();
      await expect(leave(input)).rejects.toMatchObject({ code });
      expect(await attempts()).toEqual(before);
    },
  );
});
