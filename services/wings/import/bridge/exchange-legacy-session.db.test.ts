import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import type { SignInAnswer } from '#services/core/identity/sessions/open-session.ts';
import { findByCookie } from '#services/core/identity/sessions/read-session.ts';
import { disablePasswordSignIn } from '#services/core/identity/sign-in/sign-in-guard.ts';
import type { Caller } from '#services/core/ports.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { guardedFetch } from '#services/platform/http/outbound.ts';
import { LEGACY_AUDIENCE, startLegacyProvider } from '#tools/testing/fakes/legacy-provider.ts';
import { openPeopledHarness, type PeopledHarness } from '#tools/testing/harness/people.ts';
import { callerAt } from '#tools/testing/harness/ports.ts';
import { made, opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { whileItWaits } from '#tools/testing/overtaken.ts';
import { type ExchangePorts, exchangeLegacySession, showLegacyAccount } from './exchange-legacy-session.ts';
import { createLegacyIssuer } from './legacy-issuer.ts';
import { legacySessionId } from './legacy-token.ts';

const provider = opened(startLegacyProvider);
const harness = opened(openPeopledHarness);

const issuerOf = (env: Readonly<Record<string, string>> = {}, clock = harness.deps.clock) =>
  createLegacyIssuer(
    loadConfig({ LEGACY_ISSUER: provider.issuer, LEGACY_JWKS_URI: provider.jwksUri, LEGACY_AUDIENCE, ...env }).legacy,
    { clock },
    guardedFetch,
  );

const ports = made(() => ({ ...harness.deps, legacyIssuer: issuerOf() }));

let networks = 0;
const newcomer = (): Caller => callerAt(`198.51.100.${++networks}`);

/** A user of the old provider, imported. */
async function imported(who: Parameters<PeopledHarness['newUser']>[0] = {}) {
  const person = await harness.newUser(who);
  const sub = randomUUID();
  await harness.rows`INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('clerk', ${sub}, ${person.id})`;
  return { ...person, sub };
}
const exchange = (token: string, changed: Partial<ExchangePorts> = {}, cookie?: string, caller = newcomer()) =>
  exchangeLegacySession({ ...ports, ...changed }, { token, cookie }, caller);
const cookieOf = ({ setCookie }: SignInAnswer): string => setCookie.map((line) => line.split(';', 1)[0]).join('; ');
const sessionRow = async (id: string) => (await harness.rows`SELECT * FROM sessions WHERE id = ${id}`)[0];
const endSessions = (userId: string) => harness.rows`DELETE FROM sessions WHERE "userId" = ${userId}`;
const exchangesOf = (userId: string) =>
  harness.rows`SELECT outcome, detail FROM audit_outbox
    WHERE type = 'legacy.session_exchanged' AND target_id = ${userId} ORDER BY id`;

describe('a live session of the old provider', () => {
  test('becomes one here with cookie and tokens, is one sign-in and one event, and keeps factors and age', async () => {
    const { id, sub } = await imported();
    const authTime = Math.floor(Date.now() / 1_000) - 7_200;
    const answer = await exchange(await provider.token({ sub, sid: randomUUID(), amr: ['pwd'], auth_time: authTime }));
    expect(answer.body.user.id).toBe(id);
    const live = await findByCookie(ports, cookieOf(answer));
    expect(live?.session).toMatchObject({ id: answer.body.session.id, amr: ['pwd'], acr: 'aal1' });
    expect(decodeJwt(answer.body.tokens.access_token)).toMatchObject({ sub: id, auth_time: authTime });
    expect(await exchangesOf(id)).toEqual([
      { outcome: 'ok', detail: { session_id: answer.body.session.id, repeated: false, linked_by: 'import' } },
    ]);
    const logins = await harness.rows`SELECT detail FROM audit_outbox WHERE type = 'user.login' AND target_id = ${id}`;
    expect(logins).toEqual([
      { detail: { factor: 'legacy_session', session_id: answer.body.session.id, known_device: false } },
    ]);
  });

  test('with two factors keeps them; one that does not say when its user signed in passes for no recent sign-in', async () => {
    const two = await imported();
    const strong = await exchange(await provider.token({ sub: two.sub, sid: randomUUID(), amr: ['pwd', 'otp'] }));
    expect(await sessionRow(strong.body.session.id)).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] });
    const age = Date.now() - new Date(strong.body.session.createdAt).getTime();
    expect(age).toBeGreaterThan(29 * 86_400_000);
    expect(new Date(strong.body.session.expiresAt).getTime()).toBeGreaterThan(Date.now());
  });

  test('asked for again is the same session here, by the same token, by another of its tokens, and from elsewhere', async () => {
    const { id, sub } = await imported();
    const sid = randomUUID();
    const nowMs = Date.now();
    const token = await provider.token({ sub, sid, iat: Math.floor(nowMs / 1_000) - 90 });
    const caller = newcomer();
    const at = (ms: number) => ({ clock: { now: () => ms, monotonic: ports.clock.monotonic } });
    const first = await exchange(token, at(nowMs), undefined, caller);
    const again = await exchange(token, at(nowMs), undefined, caller);
    expect(again.body.tokens.refresh_token).toBe(first.body.tokens.refresh_token);
    const elsewhere = await exchange(token);
    const renewed = await exchange(await provider.token({ sub, sid, jti: randomUUID() }), {}, cookieOf(first));
    for (const answer of [again, elsewhere, renewed]) {
      expect(answer.body.session.id).toBe(first.body.session.id);
      expect((await findByCookie(ports, cookieOf(answer)))?.session.id).toBe(first.body.session.id);
    }
    expect(await harness.sessionsOf(id)).toBe(1);
    expect((await exchangesOf(id)).map(({ detail }) => detail.repeated)).toEqual([false, true, true]);
    // More than a minute apart: not a retry.
    const fresh = await exchange(token, at(nowMs - 70_000), undefined, caller);
    expect(fresh.body.session.id).toBe(first.body.session.id);
    expect(fresh.body.tokens.refresh_token).not.toBe(first.body.tokens.refresh_token);
  });

  test('exchanged twenty times at once is one session, and every cookie is of it', async () => {
    const { id, sub } = await imported();
    const token = await provider.token({ sub, sid: randomUUID() });
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, at) => exchange(token, {}, undefined, callerAt(`203.0.113.${at % 4}`))),
    );
    expect(new Set(answers.map(({ body }) => body.session.id)).size).toBe(1);
    expect(await harness.sessionsOf(id)).toBe(1);
    for (const answer of answers)
      expect((await findByCookie(ports, cookieOf(answer)))?.session.id).toBe(answers[0]?.body.session.id);
  });

  test('bound to a key becomes none, for a session here would not be bound', async () => {
    const { sub } = await imported();
    const bound = await provider.token({ sub, cnf: { jkt: 'x'.repeat(43) } });
    await expect(exchange(bound)).rejects.toMatchObject({ code: 'legacy_token_bound' });
  });

  test('that has a second factor here since is left to the browser that has its cookie', async () => {
    const { sub } = await imported();
    const sid = randomUUID();
    const token = (n: number) => provider.token({ sub, sid, amr: ['pwd'], n });
    const own = await exchange(await token(1));
    await harness.rows`UPDATE sessions SET acr = 'aal2', amr = '{pwd,otp,mfa}' WHERE id = ${own.body.session.id}`;
    await expect(exchange(await token(2))).rejects.toMatchObject({ code: 'session_stepped_up' });
    expect((await exchange(await token(3), {}, cookieOf(own))).body.session.id).toBe(own.body.session.id);
  });

  test('in a browser that is signed in here goes on in that session; another user there is signed out', async () => {
    const { id, sub } = await imported();
    const own = await exchange(await provider.token({ sub, sid: randomUUID(), amr: ['pwd', 'otp'] }));
    const weak = await exchange(await provider.token({ sub, sid: randomUUID(), amr: ['pwd'] }), {}, cookieOf(own));
    expect(weak.body.session.id).toBe(own.body.session.id);
    expect(await sessionRow(own.body.session.id)).toMatchObject({ acr: 'aal2' });
    const other = await imported();
    const theirs = await exchange(await provider.token({ sub: other.sub, sid: randomUUID() }), {}, cookieOf(weak));
    expect(theirs.body.user.id).toBe(other.id);
    expect(await harness.sessionsOf(id)).toBe(0);
    const third = await exchange(await provider.token({ sub: other.sub, sid: randomUUID() }));
    const sid = randomUUID();
    const fourth = await exchange(await provider.token({ sub: other.sub, sid }));
    await exchange(await provider.token({ sub: other.sub, sid }), {}, cookieOf(third));
    expect(await sessionRow(third.body.session.id)).toBeUndefined();
    expect(await sessionRow(fourth.body.session.id)).toBeDefined();
  });

  test('whose session here was idle for too long opens another', async () => {
    const { id, sub } = await imported();
    const sid = randomUUID();
    const tokenSettings = { ...ports.tokenSettings, twoFactorIdleSeconds: 60 };
    const first = await exchange(await provider.token({ sub, sid, amr: ['mfa'] }), { tokenSettings });
    await harness.rows`UPDATE sessions SET "updatedAt" = now() - interval '1 hour' WHERE "userId" = ${id}`;
    await harness.rows`UPDATE refresh_families SET idle_expires_at = now() WHERE user_id = ${id}`;
    const second = await exchange(await provider.token({ sub, sid, jti: 'next' }), { tokenSettings });
    expect(second.body.session.id).not.toBe(first.body.session.id);
  });

  test('whose session here expired opens another', async () => {
    const { id, sub } = await imported();
    const sid = randomUUID();
    const first = await exchange(await provider.token({ sub, sid }));
    await harness.rows`UPDATE sessions SET "expiresAt" = now() - interval '1 minute' WHERE "userId" = ${id}`;
    const own = await exchange(await provider.token({ sub, sid: randomUUID() }));
    const second = await exchange(await provider.token({ sub, sid, jti: 'next' }), {}, cookieOf(own));
    expect([first, own].map(({ body }) => body.session.id)).not.toContain(second.body.session.id);
  });
});

describe('a session that ended is refused', () => {
  test('after a sign-out here, also as a retry of the same request', async () => {
    const { id, sub } = await imported();
    const sid = randomUUID();
    const token = await provider.token({ sub, sid });
    const caller = newcomer();
    await exchange(token, {}, undefined, caller);
    await endSessions(id);
    await expect(exchange(token, {}, undefined, caller)).rejects.toMatchObject({ code: 'legacy_session_ended' });
    expect(await outcomeOf(exchange(await provider.token({ sub, sid, jti: 'x' })))).toBe('legacy_session_ended');
    const ends = await harness.rows`SELECT value FROM revocations WHERE value LIKE 'legacy:%' AND user_id = ${id}`;
    expect(ends).toHaveLength(1);
  });

  test('after all sessions of the user were ended here, unless the user signed in there since', async () => {
    const { id, sub } = await imported();
    const before = Math.floor(Date.now() / 1_000) - 60;
    await harness.rows`UPDATE users SET "tokenEpoch" = "tokenEpoch" + 1 WHERE id = ${id}`;
    const ended = { code: 'legacy_session_ended' };
    await expect(exchange(await provider.token({ sub, auth_time: before }))).rejects.toMatchObject(ended);
    await expect(exchange(await provider.token({ sub }))).rejects.toMatchObject(ended);
    await harness.rows`UPDATE legacy_user_ends SET ended_at = now() - interval '1 hour' WHERE user_id = ${id}`;
    const answer = await exchange(await provider.token({ sub, auth_time: before }));
    expect(answer.body.user.id).toBe(id);
  });

  test('when its end commits while it is exchanged', async () => {
    const { id, sub } = await imported();
    const sid = randomUUID();
    const token = await provider.token({ sub, sid });
    const end = 'INSERT INTO legacy_sessions (id, ended_at) VALUES ($1, now())';
    const held = [[end, [legacySessionId(provider.issuer, sid)]]] as const;
    expect(await outcomeOf(whileItWaits(harness.pool, held, () => exchange(token)))).toBe('legacy_session_ended');
    expect(await harness.sessionsOf(id)).toBe(0);
  });
});

describe('the user', () => {
  const unknown = { code: 'legacy_user_unknown' };

  test('is recognised by an address that both sides have verified, once, and never by an unverified one', async () => {
    const ours = await harness.newUser();
    const sub = randomUUID();
    const claims = { sub, email: ours.email.toUpperCase(), email_verified: true };
    await expect(exchange(await provider.token({ ...claims, email_verified: false }))).rejects.toMatchObject(unknown);
    await expect(exchange(await provider.token({ ...claims, email_verified: 'true' }))).rejects.toMatchObject(unknown);
    const answer = await exchange(await provider.token(claims));
    expect(answer.body.user.id).toBe(ours.id);
    expect((await exchangesOf(ours.id))[0].detail).toMatchObject({ linked_by: 'address' });
    // Another id with the same address is another person.
    await expect(exchange(await provider.token({ ...claims, sub: randomUUID() }))).rejects.toMatchObject(unknown);
    const unverified = await harness.newUser({ isVerified: false });
    await expect(
      exchange(await provider.token({ sub: randomUUID(), email: unverified.email, email_verified: true })),
    ).rejects.toMatchObject(unknown);
    await expect(
      exchange(await provider.token({ sub: randomUUID(), email: 'no address', email_verified: true })),
    ).rejects.toMatchObject(unknown);
  });

  test('with an id that no user has, as with NUL in it, is malformed', async () => {
    for (const sub of ['a\0b', '\ud800', '9.00720E+15', 7])
      expect(await outcomeOf(exchange(await provider.token({ sub: sub as string }))), String(sub)).toBe(
        'legacy_token_malformed',
      );
  });

  test('is refused if unknown, disabled or deleted here, with an event', async () => {
    const caller = newcomer();
    await expect(exchange(await provider.token({ sub: randomUUID() }), {}, undefined, caller)).rejects.toMatchObject(
      unknown,
    );
    const refused = await harness.rows`SELECT detail FROM audit_outbox
      WHERE type = 'legacy.session_exchanged' AND outcome = 'refused' ORDER BY id DESC LIMIT 1`;
    expect(refused).toEqual([{ detail: { code: 'legacy_user_unknown' } }]);
    const disabled = await imported();
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${disabled.id}`;
    await harness.rows`UPDATE legacy_user_ends SET ended_at = 'epoch' WHERE user_id = ${disabled.id}`;
    const now = Math.floor(Date.now() / 1_000);
    await expect(exchange(await provider.token({ sub: disabled.sub, auth_time: now }))).rejects.toMatchObject(unknown);
    const deleted = await imported();
    await harness.rows`DELETE FROM users WHERE id = ${deleted.id}`;
    await expect(
      exchange(await provider.token({ sub: deleted.sub, email: deleted.email, email_verified: true })),
    ).rejects.toMatchObject(unknown);
  });

  test('is named without a sign-in, and only if the session could be exchanged', async () => {
    const show = (token: string) => showLegacyAccount(ports, { token }, newcomer());
    const { id, sub } = await imported();
    const token = await provider.token({ sub, sid: randomUUID() });
    expect(await show(token)).toEqual({ userId: id, email: (await harness.accountOf(id))?.email });
    expect(await harness.sessionsOf(id)).toBe(0);
    await exchange(token);
    await endSessions(id);
    await expect(show(token)).rejects.toMatchObject({ code: 'legacy_session_ended' });
    const other = await provider.token({ sub, sid: randomUUID(), auth_time: Math.floor(Date.now() / 1_000) });
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${id}`;
    await harness.rows`UPDATE legacy_user_ends SET ended_at = 'epoch' WHERE user_id = ${id}`;
    await expect(show(other)).rejects.toMatchObject({ code: 'legacy_user_unknown' });
    const off = { ...ports, legacyIssuer: null };
    expect(await outcomeOf(showLegacyAccount(off, { token }, newcomer()))).toBe('legacy_not_configured');
  });

  test('whose account an incident locked is refused on an unknown device', async () => {
    const { id, sub, email } = await imported();
    await ports.transact((tx) => disablePasswordSignIn(tx, ports, { userId: id, email }));
    await expect(exchange(await provider.token({ sub }))).rejects.toMatchObject(unknown);
    const ended = await harness.newUser();
    await harness.rows`UPDATE users SET "disabledAt" = now() WHERE id = ${ended.id}`;
    const claims = { sub: randomUUID(), email: ended.email, email_verified: true };
    await expect(exchange(await provider.token(claims))).rejects.toMatchObject(unknown);
  });

  test('without a verified address opens no session where sign-in requires one', async () => {
    const { sub } = await imported({ isVerified: false });
    await expect(exchange(await provider.token({ sub }), { verificationRequired: true })).rejects.toMatchObject({
      code: 'email_unverified',
    });
    await expect(exchange(await provider.token({ sub }))).resolves.toBeDefined();
  });

  test('of one of several kinds of imports is known only if the setting names the kind', async () => {
    const { sub, id } = await imported();
    const other = await harness.newUser();
    const [row] =
      await harness.rows`INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('auth0', ${sub}, ${other.id})
        RETURNING id`;
    await expect(exchange(await provider.token({ sub }))).rejects.toMatchObject(unknown);
    const named = { legacyIssuer: issuerOf({ LEGACY_PROVIDER: 'clerk' }) };
    expect((await exchange(await provider.token({ sub }), named)).body.user.id).toBe(id);
    const linked = { sub: randomUUID(), email: other.email, email_verified: true };
    await expect(exchange(await provider.token(linked))).rejects.toMatchObject(unknown);
    await harness.rows`DELETE FROM legacy_users WHERE id = ${row.id}`;
  });
});
