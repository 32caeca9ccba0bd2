import { pbkdf2Sync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { invitationPurge } from '#services/core/identity/mail/invitations.store.ts';
import { purge } from '#services/core/shared/purge.ts';
import { atOnce, newEmail, newPassword, signIn } from '#tools/testing/flows/flows.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { API_URL, type ApiCopy } from '#tools/testing/harness/api.ts';
import { type Received, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { at, openAccountHarness } from './accounts-harness.ts';

const harness = opened(openAccountHarness);

describe('an account created by an administrator', () => {
  const admin = opened(() => newPerson(harness.open, ['admin']));
  const reason = 'joins the team';
  const act = (path: string, json: object, bearer = admin.bearer): Promise<Received> =>
    send(harness.open.url, 'POST', path, { json, bearer });
  const invite = (members: object, bearer?: string): Promise<Received> =>
    act('/v1/admin/users', { reason, ...members }, bearer);
  const accept = (token: string, new_password = newPassword()): Promise<Received> =>
    harness.post('accept-invitation', { token, new_password });
  const imported = (password: string): string =>
    `$pbkdf2-sha256$1000$c2FsdHNhbHQ$${pbkdf2Sync(password, 'saltsalt', 1_000, 32, 'sha256').toString('base64').replaceAll('+', '.').replace('=', '')}`;
  const rolesOf = async (id: string) =>
    ((await harness.rows`SELECT roles FROM users WHERE id = ${id}`) as { roles: string[] }[])[0]?.roles;

  test('has no password until its invitation is accepted: of twenty concurrent uses one succeeds and verifies the address', async () => {
    const email = newEmail();
    const made = await invite({ email: email.toUpperCase(), name: 'Grace', roles: ['compliance'] });
    expect(made).toMatchObject({
      status: 201,
      body: {
        email,
        name: 'Grace',
        roles: ['user'],
        invited_roles: ['compliance'],
        email_verified_at: null,
        sessions: 0,
      },
    });
    const { id } = made.body;
    expect(await harness.post('signin', { email, password: newPassword() })).toMatchObject({ status: 401 });
    const mail = await harness.newest(email);
    expect(mail).toMatchObject({
      page: `${API_URL}/account/accept-invitation`,
      subject: 'An account was created for you',
    });
    const token = mail?.code ?? '';
    expect(await accept(token, 'fourteen chars')).toMatchObject({ status: 400, body: { code: 'password_too_short' } });
    const password = newPassword();
    const answers = await atOnce(20, () => accept(token, password));
    const codes = answers.map(({ status, body }) => (status === 200 ? body.status : body.code)).sort();
    expect(codes).toEqual([...Array(19).fill('code_invalid'), 'invitation_accepted']);
    expect((await signIn(at(harness.strict), { email, password })).id).toBe(id);
    expect(await rolesOf(id)).toEqual(['compliance', 'user']);
    const events = await harness.rows`SELECT type, detail ->> 'reason' AS reason FROM audit_outbox
      WHERE target_id = ${id} AND type IN ('user.created', 'user.invited', 'user.email_verified', 'user.role_granted')
        ORDER BY id`;
    expect(events).toEqual([
      { type: 'user.created', reason: null },
      { type: 'user.invited', reason },
      { type: 'user.role_granted', reason: 'invitation_accepted' },
      { type: 'user.email_verified', reason: null },
    ]);
    expect(await act(`/v1/admin/users/${id}/invite`, { reason })).toMatchObject({
      status: 409,
      body: { code: 'invitation_over' },
    });
    expect(await harness.mails.to(email)).toHaveLength(1);
  });

  test('can be invited again, which replaces the first invitation; not once disabled, which invalidates its code', async () => {
    const email = newEmail();
    const { id } = (await invite({ email })).body;
    const first = await harness.codeFor(email);
    for (let n = 0; n < 4; n += 1) {
      expect(await act(`/v1/admin/users/${id}/invite`, { reason })).toMatchObject({ status: 200, body: { id } });
      await harness.mails.deliver();
    }
    expect(await harness.mails.to(email)).toHaveLength(5);
    const last = await harness.codeFor(email);
    expect(await accept(first)).toMatchObject({ body: { code: 'code_invalid' } });
    await act(`/v1/admin/users/${id}/invite`, { reason });
    await act(`/v1/admin/users/${id}/disable`, { reason });
    expect(await accept(last)).toMatchObject({ body: { code: 'code_invalid' } });
    // Requested before the account was disabled, not sent afterwards.
    expect(await harness.mails.to(email)).toHaveLength(5);
    expect(await act(`/v1/admin/users/${id}/invite`, { reason })).toMatchObject({ body: { code: 'invitation_over' } });
    expect(await act('/v1/admin/users/unknown/invite', { reason })).toMatchObject({ body: { code: 'user_unknown' } });
  });

  /** Runs the clean-up as if it were that much later. */
  const purgeAfter = async (id: string, age: string): Promise<void> => {
    await harness.rows`UPDATE invitations SET expires_at = expires_at - ${age}::interval WHERE user_id = ${id}`;
    await purge(harness.open.workerPorts, [invitationPurge], { pace: { factor: 0, leastMs: 0 } });
  };
  const resetOf = async (email: string): Promise<Received> => {
    await harness.post('request-password-reset', { email });
    return harness.post('reset-password', { token: await harness.codeFor(email), new_password: newPassword() });
  };

  test('whose invitation was cleaned up gives its roles to no one who reads its mail later', async () => {
    const [hashed, granted] = [newEmail(), newEmail()];
    const password_hash = imported('correct horse battery staple');
    const withPassword = (await invite({ email: hashed, roles: ['admin'], password_hash })).body.id;
    expect(await act(`/v1/admin/users/${withPassword}/invite`, { reason })).toMatchObject({ status: 200 });
    const without = (await invite({ email: granted })).body.id;
    await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${without}, 'admin')`;
    for (const [id, email] of [
      [withPassword, hashed],
      [without, granted],
    ] as const) {
      await purgeAfter(id, '40 days');
      expect(await rolesOf(id)).toEqual(['admin', 'user']);
      expect(await resetOf(email)).toMatchObject({ status: 200 });
      expect(await rolesOf(id)).toEqual(['user']);
      expect(await harness.rows`SELECT 1 FROM invitations WHERE user_id = ${id}`).toEqual([]);
    }
  });

  test('that has a password keeps its roles and invitation until its address is verified, also by accepting', async () => {
    const email = newEmail();
    const password_hash = imported('correct horse battery staple');
    const { id } = (await invite({ email, roles: ['compliance'], password_hash })).body;
    await act(`/v1/admin/users/${id}/invite`, { reason });
    const read = 'SELECT roles, expires_at FROM invitations WHERE user_id = $1';
    expect(await harness.rows(read, [id])).toEqual([{ roles: [], expires_at: null }]);
    expect(await accept(await harness.codeFor(email))).toMatchObject({ status: 200 });
    expect(await rolesOf(id)).toEqual(['compliance', 'user']);
    expect(await harness.rows(read, [id])).toEqual([]);
  });

  test('is invited even if the mail limit of its address is used up, and the invitation does not use that limit', async () => {
    const email = newEmail();
    const { id } = (await invite({ email })).body;
    const pages = async () => (await harness.mails.to(email)).map(({ page }) => page?.split('/').at(-1));
    expect(await pages()).toEqual(['accept-invitation']);
    for (let n = 0; n < 3; n += 1)
      for (const path of ['request-password-reset', 'send-verification-email']) {
        await harness.post(path, { email });
        await harness.mails.deliver();
      }
    const theirs = (await pages()).slice(1).sort();
    expect(theirs).toEqual([...Array(3).fill('reset-password'), ...Array(2).fill('verify-email')]);
    await act(`/v1/admin/users/${id}/invite`, { reason });
    expect((await pages()).at(-1)).toBe('accept-invitation');
    expect(await accept(await harness.codeFor(email))).toMatchObject({ status: 200 });
  });

  test('has INVITATION_SECONDS to accept, in its row, its code and its mail', async () => {
    const short = await newPerson(harness.strict, ['admin']);
    const lives = async (copy: ApiCopy, bearer: string) => {
      const email = newEmail();
      const { body } = await send(copy.url, 'POST', '/v1/admin/users', { json: { email, reason }, bearer });
      const text = (await harness.newest(email))?.text.replaceAll(/\s+/g, ' ');
      const [row] = await harness.rows`SELECT round(extract(epoch FROM i.expires_at - now()))::int AS invited,
          round(extract(epoch FROM c.expires_at - c.created_at))::int AS coded
        FROM invitations i JOIN one_time_codes c USING (id) WHERE i.user_id = ${body.id}`;
      expect(row.coded - row.invited).toBeLessThan(60);
      return [row.coded, /within (\d+ \w+)/.exec(text ?? '')?.[1]];
    };
    expect(await lives(harness.open, admin.bearer)).toEqual([259_200, '3 days']);
    expect(await lives(harness.strict, short.bearer)).toEqual([7_200, '2 hours']);
  });

  test('accepts no invitation sent to another address or after verification, and an older one is no longer sent', async () => {
    const [moved, proved, waiting] = [newEmail(), newEmail(), newEmail()];
    const ids: string[] = [];
    for (const email of [moved, proved, waiting]) ids.push((await invite({ email, roles: ['compliance'] })).body.id);
    expect(await act(`/v1/admin/users/${ids[2]}/invite`, { reason })).toMatchObject({ status: 200 });
    const codes = [await harness.codeFor(moved), await harness.codeFor(proved)];
    await harness.rows`UPDATE users SET email = ${newEmail()} WHERE id = ${ids[0]}`;
    await harness.rows`UPDATE users SET "emailVerified" = now() WHERE id = ${ids[1]}`;
    for (const code of codes) expect(await accept(code)).toMatchObject({ body: { code: 'code_invalid' } });
    for (const id of ids) expect(await rolesOf(id)).toEqual(['user']);
    expect(await harness.mails.to(waiting)).toHaveLength(1);
    expect(await accept(await harness.codeFor(waiting))).toMatchObject({ status: 200 });
  });

  test('is deleted a month after its invitation expired unused, unless it is disabled or has a credential', async () => {
    const [unused, disabled, known, late] = [newEmail(), newEmail(), newEmail(), newEmail()];
    const ids: string[] = [];
    for (const email of [unused, disabled, known, late]) ids.push((await invite({ email })).body.id);
    await act(`/v1/admin/users/${ids[1]}/disable`, { reason });
    await harness.rows`INSERT INTO accounts (id, "accountId", "providerId", "userId", password)
      VALUES (${ids[2]}, ${ids[2]}, 'credential', ${ids[2]}, 'x')`;
    const over = `UPDATE invitations SET expires_at = now() - $2::interval WHERE user_id = $1`;
    for (const id of ids) await harness.rows(over, [id, id === ids[3] ? '29 days' : '31 days']);
    await purge(harness.open.workerPorts, [invitationPurge], { pace: { factor: 0, leastMs: 0 } });
    const left = await harness.rows`SELECT email FROM users WHERE id = ANY (${ids})`;
    expect((left as { email: string }[]).map(({ email }) => email).sort()).toEqual([disabled, known, late].sort());
  });
});
