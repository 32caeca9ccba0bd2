import { pbkdf2Sync, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { invitationPurge } from '../../domain/identity/accounts/invitations.store.ts';
import { accountKeyOf } from '../../domain/identity/login-counters.ts';
import { purge } from '../../domain/purge.ts';
import {
  type AccountWorld,
  ALIVE,
  at,
  DEAD,
  openAccountWorld,
  ownPage,
  told,
} from '../../platform/testing/account-world.ts';
import { API_URL } from '../../platform/testing/api-copy.ts';
import { newEmail, newPassword, signIn } from '../../platform/testing/flows.ts';
import { type Received, send } from '../../platform/testing/http-client.ts';
import { newPerson, type Person } from '../../platform/testing/people.ts';

let world: AccountWorld;
beforeAll(async () => {
  world = await openAccountWorld();
});
afterAll(() => world.close());

describe('an address that must be proved first', () => {
  const ask = (email: string, password = newPassword()): Promise<Received> =>
    world.post('signup', { email, password, name: 'Ada' }, {}, world.strict);

  test('U6 sign-up answers alike for a new and a known address, with no session; a mail tells them apart', async () => {
    const known = await world.person();
    await world.post('verify-email', { token: await world.codeFor(known.email) }, ownPage(known));
    const fresh = newEmail();
    const [toKnown, toFresh] = [await ask(known.email), await ask(fresh)];
    expect(told(toKnown)).toEqual(told(toFresh));
    expect(toFresh).toMatchObject({ status: 200, body: { status: 'verification_required' } });
    expect(toFresh.headers.getSetCookie()).toEqual([]);
    expect(await world.rows('SELECT 1 FROM users WHERE email = $1', [fresh])).toEqual([]);
    expect(await world.newest(fresh)).toMatchObject({ page: `${API_URL}/account/verify-email` });
    expect(await world.newest(known.email)).toMatchObject({ subject: 'You have an account already' });
  });

  test('C-USR-08 the account begins with the proof, and signs in with the password that came with it', async () => {
    const [email, password] = [newEmail(), newPassword()];
    await ask(email, password);
    expect(await world.post('signin', { email, password }, {}, world.strict)).toMatchObject({ status: 401 });
    const token = await world.codeFor(email);
    const prove = (json: object) => world.post('verify-email', { token, ...json }, {}, world.strict);
    expect(await prove({})).toMatchObject({ status: 400, body: { code: 'password_required' } });
    expect(await prove({ password: 'short' })).toMatchObject({ status: 400, body: { code: 'password_too_short' } });
    expect(await prove({ password })).toMatchObject({ status: 200, body: { status: 'verified' } });
    const user = await signIn(at(world.strict), { email, password });
    const rows = await world.rows('SELECT name, "emailVerified" FROM users WHERE id = $1', [user.id]);
    expect(rows).toEqual([{ name: 'Ada', emailVerified: expect.any(Date) }]);
  });

  test('U8 twenty redemptions at once of one code: one success; a used code is refused and recorded', async () => {
    const email = newEmail();
    await ask(email);
    const json = { token: await world.codeFor(email), password: newPassword() };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => world.post('verify-email', json, {}, world.strict)),
    );
    const codes = answers.map(({ status, body }) => (status === 200 ? 'verified' : body.code)).sort();
    expect(codes).toEqual([...Array(19).fill('code_invalid'), 'verified']);
    const users = await world.rows('SELECT id FROM users WHERE email = $1', [email]);
    expect(users.length).toBe(1);
    expect((await world.rows(`SELECT 1 FROM audit_outbox WHERE type = 'code.refused'`)).length).toBeGreaterThanOrEqual(
      19,
    );
  });

  test('an account that nobody has proved gets no session, whoever knows its password', async () => {
    const user = await world.person();
    const { email, password } = user;
    expect(await world.post('signin', { email, password }, {}, world.strict)).toMatchObject({
      status: 403,
      body: { code: 'email_unverified' },
    });
    expect(await world.post('signin', { email, password: 'another one altogether' }, {}, world.strict)).toMatchObject({
      status: 401,
    });
  });

  test('another mail is sent for what waits for a proof; of an address at most three are alive', async () => {
    const [pending, unverified] = [newEmail(), await world.person()];
    await ask(pending);
    const first = await world.codeFor(pending);
    for (let n = 0; n < 4; n += 1) {
      const answers = [
        await world.post('send-verification-email', { email: pending }),
        await world.post('send-verification-email', { email: newEmail() }),
        await world.post('send-verification-email', { email: unverified.email.toUpperCase() }),
      ];
      expect(new Set(answers.map((answer) => JSON.stringify(told(answer)))).size).toBe(1);
      await world.mails.deliver();
    }
    expect((await world.mails.to(pending)).length).toBe(3);
    expect((await world.mails.to(unverified.email)).length).toBe(3);
    const theirs = { token: await world.codeFor(unverified.email) };
    expect(await world.post('verify-email', theirs, ownPage(unverified))).toMatchObject({ status: 200 });
    expect(await world.post('verify-email', { token: first, password: newPassword() })).toMatchObject({ status: 200 });
    // Every code of the address goes with the proof.
    expect(await world.post('verify-email', { token: await world.codeFor(pending) })).toMatchObject({ status: 400 });
  });
});

describe('who takes an address before its owner', () => {
  test('a sign-up that the owner proves ends password, sessions and tokens of who was there before', async () => {
    const email = newEmail();
    const attacker = await world.person(email);
    await world.rows(
      `INSERT INTO accounts (id, "accountId", "providerId", "userId") VALUES ($1, 'elsewhere', 'github', $2)`,
      [randomUUID(), attacker.id],
    );
    const password = newPassword();
    await world.post('signup', { email, password }, {}, world.strict);
    expect(await world.post('verify-email', { token: await world.codeFor(email), password })).toMatchObject({
      status: 200,
    });
    expect(await world.isAlive(attacker)).toEqual(DEAD);
    expect(await world.post('signin', { email, password: attacker.password })).toMatchObject({ status: 401 });
    const ways = await world.rows(`SELECT "providerId" FROM accounts WHERE "userId" = $1`, [attacker.id]);
    expect(ways).toEqual([{ providerId: 'credential' }]);
    expect(await world.isAlive(await signIn(at(world.strict), { email, password }))).toEqual(ALIVE);
  });

  test('so does a reset of the password', async () => {
    const email = newEmail();
    const attacker = await world.person(email);
    await world.post('request-password-reset', { email });
    const password = newPassword();
    const reset = await world.post('reset-password', { token: await world.codeFor(email), new_password: password });
    expect(reset).toMatchObject({ status: 200, body: { status: 'password_reset' } });
    expect(await world.isAlive(attacker)).toEqual(DEAD);
    const owner = await signIn(at(world.strict), { email, password });
    expect(owner.id).toBe(attacker.id);
  });

  test('a sign-up of somebody else gives the owner’s account no password but the owner’s', async () => {
    const [email, theirs, own] = [newEmail(), newPassword(), newPassword()];
    for (let n = 0; n < 4; n += 1) await world.post('signup', { email, password: theirs }, {}, world.strict);
    const token = await world.codeFor(email);
    expect(await world.post('verify-email', { token }, {}, world.strict)).toMatchObject({
      body: { code: 'password_required' },
    });
    expect(await world.post('verify-email', { token, password: own }, {}, world.strict)).toMatchObject({ status: 200 });
    expect(await world.post('signin', { email, password: theirs }, {}, world.strict)).toMatchObject({ status: 401 });
    await signIn(at(world.strict), { email, password: own });
  });

  test('an account that somebody else made is its reader’s alone: the code proves it with a new password', async () => {
    const attacker = await world.person();
    const token = await world.codeFor(attacker.email);
    const elsewhere = ownPage(await world.person());
    for (const sent of [{}, elsewhere])
      expect(await world.post('verify-email', { token }, sent)).toMatchObject({
        status: 400,
        body: { code: 'password_required' },
      });
    expect(await world.isAlive(attacker)).toEqual(ALIVE);
    const password = newPassword();
    expect(await world.post('verify-email', { token, password })).toMatchObject({ status: 200 });
    expect(await world.isAlive(attacker)).toEqual(DEAD);
    expect((await signIn(at(world.strict), { email: attacker.email, password })).id).toBe(attacker.id);
  });

  test('whoever knows its password or is signed in keeps the account as it is', async () => {
    const [byPassword, bySession] = [await world.person(), await world.person()];
    const { email, password } = byPassword;
    expect(await world.post('verify-email', { token: await world.codeFor(email), password })).toMatchObject({
      status: 200,
    });
    const token = await world.codeFor(bySession.email);
    expect(await world.post('verify-email', { token }, ownPage(bySession))).toMatchObject({ status: 200 });
    for (const user of [byPassword, bySession]) expect(await world.isAlive(user)).toEqual(ALIVE);
  });

  test('an account that changes to the address of somebody else gets it by no click of theirs', async () => {
    const attacker = await world.person();
    const email = newEmail();
    await world.post('change-email', { new_email: email }, ownPage(attacker));
    const token = await world.codeFor(email);
    expect(await world.post('verify-email', { token })).toMatchObject({ body: { code: 'password_required' } });
    const guess = await world.post('verify-email', { token, password: newPassword() });
    expect(guess).toMatchObject({ status: 403, body: { code: 'current_password_wrong' } });
    expect(await world.rows('SELECT 1 FROM users WHERE email = $1', [email])).toEqual([]);
    expect(await world.post('verify-email', { token, password: attacker.password })).toMatchObject({ status: 200 });
  });
});

describe('mails', () => {
  test('a forged Host or X-Forwarded-Host changes no link', async () => {
    const user = await world.person();
    const headers = { 'x-forwarded-host': 'evil.test', 'x-forwarded-proto': 'http', forwarded: 'host=evil.test' };
    await world.post('request-password-reset', { email: user.email }, { headers });
    const mail = await world.newest(user.email);
    expect(mail?.page).toBe(`${API_URL}/account/reset-password`);
    expect(mail?.raw).not.toContain('evil.test');
  });

  test('what waits holds neither address nor code in clear, and a code is nowhere but in its mail', async () => {
    const user = await world.person();
    await world.post('request-password-reset', { email: user.email });
    const waiting = JSON.stringify(await world.rows('SELECT * FROM mail_outbox'));
    expect(waiting).toContain('reset_password');
    expect(waiting).not.toContain(user.email);
    const code = await world.codeFor(user.email);
    const kept = JSON.stringify([
      await world.rows('SELECT * FROM one_time_codes'),
      await world.rows('SELECT * FROM audit_outbox'),
    ]);
    expect(kept).not.toContain(code);
    expect(await world.mails.mode()).toBe(0o600);
  });

  test.each(['verify-email', 'reset-password', 'unlock', 'accept-invitation'])(
    '/account/%s runs its own script alone and leaks no address',
    async (page) => {
      const { status, headers, text } = await send(world.open.url, 'GET', `/account/${page}`);
      expect(status).toBe(200);
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy).toContain("default-src 'none'");
      expect(policy).toMatch(/script-src 'sha256-[^']+'/);
      expect(policy).toContain("connect-src 'self'");
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(text).toContain(`/api/auth/${page}`);
    },
  );
});

describe('C-CRD-04 an account that wrong passwords have locked', () => {
  /** As after five wrong passwords; each of them costs a hash. */
  const lock = async (email: string): Promise<void> => {
    const key = accountKeyOf(world.open.ports, email);
    await world.rows(
      `INSERT INTO login_failures (key, failures, locked_until) VALUES ($1, 5, now() + interval '15 minutes')`,
      [key],
    );
  };

  test('U4 is let in again by a mailed code, which counts once of twenty at once and opens nothing', async () => {
    const user = await world.person();
    await lock(user.email);
    const { email, password } = user;
    expect(await world.post('signin', { email, password })).toMatchObject({ status: 429 });
    await world.post('request-unlock', { email: user.email.toUpperCase() });
    const mail = await world.newest(user.email);
    expect(mail).toMatchObject({ page: `${API_URL}/account/unlock`, subject: 'Let your account be tried again' });
    const token = mail?.code ?? '';
    const answers = await Promise.all(Array.from({ length: 20 }, () => world.post('unlock', { token })));
    const codes = answers.map(({ status, body }) => (status === 200 ? body.status : body.code)).sort();
    expect(codes).toEqual([...Array(19).fill('code_invalid'), 'unlocked']);
    expect(answers.flatMap(({ headers }) => headers.getSetCookie())).toEqual([]);
    const events = await world.rows(`SELECT detail FROM audit_outbox WHERE type = 'user.unlocked' AND target_id = $1`, [
      user.id,
    ]);
    expect(events).toEqual([{ detail: { failures: 5, reason: 'mailed_code' } }]);
    await signIn(at(world.open), user);
  });

  test('U6 the mail is asked for alike by known, unknown and disabled; only who has an account is sent one', async () => {
    const [known, disabled, unknown] = [await world.person(), await world.person(), newEmail()];
    for (const email of [known.email, disabled.email, unknown]) await lock(email);
    await world.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [disabled.id]);
    const asked = [];
    for (const email of [known.email, unknown, disabled.email])
      asked.push(await world.post('request-unlock', { email }));
    expect(new Set(asked.map((answer) => JSON.stringify(told(answer)))).size).toBe(1);
    expect(await world.newest(known.email)).toMatchObject({ page: `${API_URL}/account/unlock` });
    expect(await world.mails.to(unknown)).toEqual([]);
    expect((await world.mails.to(disabled.email)).map(({ subject }) => subject)).not.toContain(
      'Let your account be tried again',
    );
  });

  test('who is not locked is sent none; mails of every kind together are five at most', async () => {
    const user = await world.person();
    const { email } = user;
    await world.post('request-unlock', { email });
    expect((await world.mails.to(email)).map(({ page }) => page)).toEqual([`${API_URL}/account/verify-email`]);
    await lock(email);
    for (const path of ['send-verification-email', 'request-password-reset', 'request-unlock'])
      for (let n = 0; n < 2; n += 1) {
        await world.post(path, { email });
        await world.mails.deliver();
      }
    expect((await world.mails.to(email)).map(({ page }) => page?.split('/').at(-1))).toEqual([
      ...['verify-email', 'verify-email', 'verify-email', 'reset-password', 'reset-password'],
    ]);
  });

  test('a code that was sent to the address of before unlocks nothing', async () => {
    const user = await world.person();
    await lock(user.email);
    await world.post('request-unlock', { email: user.email });
    const token = await world.codeFor(user.email);
    await world.rows('UPDATE users SET email = $2 WHERE id = $1', [user.id, newEmail()]);
    expect(await world.post('unlock', { token })).toMatchObject({ status: 400, body: { code: 'code_invalid' } });
  });

  test('a code for another purpose unlocks nothing, nor does one whose account is disabled meanwhile', async () => {
    const user = await world.person();
    const verifying = await world.codeFor(user.email);
    await lock(user.email);
    await world.post('request-unlock', { email: user.email });
    const token = await world.codeFor(user.email);
    await world.rows('UPDATE users SET "disabledAt" = now() WHERE id = $1', [user.id]);
    for (const each of [verifying, token, 'nonsense'])
      expect(await world.post('unlock', { token: each })).toMatchObject({
        status: 400,
        body: { code: 'code_invalid' },
      });
  });
});

describe('an account that an administrator makes', () => {
  let admin: Person;
  beforeAll(async () => {
    admin = await newPerson(world.open, ['admin']);
  });
  const reason = 'joins the team';
  const act = (path: string, json: object, bearer = admin.bearer): Promise<Received> =>
    send(world.open.url, 'POST', path, { json, bearer });
  const invite = (members: object, bearer?: string): Promise<Received> =>
    act('/v1/admin/users', { reason, ...members }, bearer);
  const accept = (token: string, new_password = newPassword()): Promise<Received> =>
    world.post('accept-invitation', { token, new_password });
  const imported = (password: string): string =>
    `$pbkdf2-sha256$1000$c2FsdHNhbHQ$${pbkdf2Sync(password, 'saltsalt', 1_000, 32, 'sha256').toString('base64').replaceAll('+', '.').replace('=', '')}`;
  const rolesOf = async (id: string) =>
    ((await world.rows('SELECT roles FROM users WHERE id = $1', [id])) as { roles: string[] }[])[0]?.roles;

  test('U8 has no password until its invitation is accepted: of twenty at once one succeeds, and proves the address', async () => {
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
    expect(await world.post('signin', { email, password: newPassword() })).toMatchObject({ status: 401 });
    const mail = await world.newest(email);
    expect(mail).toMatchObject({ page: `${API_URL}/account/accept-invitation`, subject: 'You are invited' });
    const token = mail?.code ?? '';
    expect(await accept(token, 'fourteen chars')).toMatchObject({ status: 400, body: { code: 'password_too_short' } });
    const password = newPassword();
    const answers = await Promise.all(Array.from({ length: 20 }, () => accept(token, password)));
    const codes = answers.map(({ status, body }) => (status === 200 ? body.status : body.code)).sort();
    expect(codes).toEqual([...Array(19).fill('code_invalid'), 'invitation_accepted']);
    expect((await signIn(at(world.strict), { email, password })).id).toBe(id);
    expect(await rolesOf(id)).toEqual(['compliance', 'user']);
    const events = await world.rows(
      `SELECT type, detail ->> 'reason' AS reason FROM audit_outbox
       WHERE target_id = $1 AND type IN ('user.created', 'user.invited', 'user.email_verified', 'user.role_granted') ORDER BY id`,
      [id],
    );
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
    expect(await world.mails.to(email)).toHaveLength(1);
  });

  test('is invited again in the place of before; not once it is disabled, and its code ends with that', async () => {
    const email = newEmail();
    const { id } = (await invite({ email })).body;
    const first = await world.codeFor(email);
    for (let n = 0; n < 4; n += 1) {
      expect(await act(`/v1/admin/users/${id}/invite`, { reason })).toMatchObject({ status: 200, body: { id } });
      await world.mails.deliver();
    }
    expect(await world.mails.to(email)).toHaveLength(5);
    const last = await world.codeFor(email);
    expect(await accept(first)).toMatchObject({ body: { code: 'code_invalid' } });
    await act(`/v1/admin/users/${id}/invite`, { reason });
    await act(`/v1/admin/users/${id}/disable`, { reason });
    expect(await accept(last)).toMatchObject({ body: { code: 'code_invalid' } });
    // Asked for before it was disabled, not sent after.
    expect(await world.mails.to(email)).toHaveLength(5);
    expect(await act(`/v1/admin/users/${id}/invite`, { reason })).toMatchObject({ body: { code: 'invitation_over' } });
    expect(await act('/v1/admin/users/nobody/invite', { reason })).toMatchObject({ body: { code: 'user_unknown' } });
  });

  test('is made once, by somebody who has the rights of its roles and says why', async () => {
    const email = newEmail();
    expect(await invite({ email })).toMatchObject({ status: 201 });
    expect(await invite({ email: email.toUpperCase() })).toMatchObject({ status: 409, body: { code: 'email_taken' } });
    const [{ id }] = (await world.rows(
      `INSERT INTO roles (name, description) VALUES ('helpdesk', 'x') RETURNING name AS id`,
    )) as [{ id: string }];
    await world.rows(`INSERT INTO role_permissions (role, permission) VALUES ($1, 'users:manage')`, [id]);
    const helper = await newPerson(world.open, [id]);
    const refused = await invite({ email: newEmail(), roles: ['admin'] }, helper.bearer);
    expect(refused).toMatchObject({ status: 403, body: { code: 'rights_exceeded' } });
    expect(await invite({ email: newEmail(), roles: ['nobody'] })).toMatchObject({ body: { code: 'role_unknown' } });
    expect(await invite({ email: newEmail(), emailVerified: true })).toMatchObject({ status: 400 });
    expect(await invite({ email: newEmail() }, (await newPerson(world.open)).bearer)).toMatchObject({ status: 403 });
    expect(await invite({ email: newEmail() }, helper.bearer)).toMatchObject({ status: 201 });
  });

  test('signs in with the password it has elsewhere; a hash of no known form or of ruinous cost is refused', async () => {
    const [email, password] = [newEmail(), 'correct horse battery staple'];
    const made = await invite({ email, password_hash: imported(password), roles: ['compliance'] });
    expect(made).toMatchObject({ status: 201, body: { roles: ['compliance', 'user'], invited_roles: [] } });
    expect(await world.newest(email)).toMatchObject({ page: `${API_URL}/account/verify-email` });
    expect(await world.post('verify-email', { token: await world.codeFor(email), password })).toMatchObject({
      status: 200,
    });
    await signIn(at(world.open), { email, password });
    expect(await rolesOf(made.body.id)).toEqual(['compliance', 'user']);
    for (const unknown of ['plain text', '$2b$31$abcdefghijklmnopqrstuuJ7vJ3Nq1Yk9q0m6i3H8w1c2d3e4f5g6'])
      expect(await invite({ email: newEmail(), password_hash: unknown })).toMatchObject({
        status: 400,
        body: { code: 'password_hash_unknown' },
      });
  });

  test('T1 gives its roles to nobody but who accepts: by sign-up, reset or a new password its address gets none', async () => {
    const [signedUp, reset, hashed] = [newEmail(), newEmail(), newEmail()];
    const ids: string[] = [];
    for (const email of [signedUp, reset]) ids.push((await invite({ email, roles: ['admin'] })).body.id);
    const password_hash = imported('correct horse battery staple');
    ids.push((await invite({ email: hashed, roles: ['admin'], password_hash })).body.id);
    expect(await rolesOf(ids[2] ?? '')).toEqual(['admin', 'user']);
    const password = newPassword();
    await world.post('signup', { email: signedUp, password, name: 'Stranger' }, {}, world.strict);
    const token = await world.codeFor(signedUp);
    expect(await world.post('verify-email', { token, password }, {}, world.strict)).toMatchObject({ status: 200 });
    for (const email of [reset, hashed]) {
      await world.post('request-password-reset', { email });
      const code = await world.codeFor(email);
      expect(await world.post('reset-password', { token: code, new_password: password })).toMatchObject({
        status: 200,
      });
    }
    for (const id of ids) expect(await rolesOf(id)).toEqual(['user']);
    expect(await world.rows('SELECT 1 FROM invitations WHERE user_id = ANY ($1)', [ids])).toEqual([]);
  });

  test('is given by its invitation those of its roles that there still are', async () => {
    await world.rows(`INSERT INTO roles (name, description) VALUES ('short-lived', 'x')`);
    const email = newEmail();
    const { id } = (await invite({ email, roles: ['short-lived', 'compliance'] })).body;
    await world.rows(`DELETE FROM roles WHERE name = 'short-lived'`);
    expect(await accept(await world.codeFor(email))).toMatchObject({ status: 200 });
    expect(await rolesOf(id)).toEqual(['compliance', 'user']);
  });

  test('is invited again by nobody with fewer rights than it has, or will have', async () => {
    await world.rows(`INSERT INTO roles (name, description) VALUES ('inviter', 'x')`);
    await world.rows(`INSERT INTO role_permissions (role, permission) VALUES ('inviter', 'users:manage')`);
    const { bearer } = await newPerson(world.open, ['inviter']);
    const willHave = (await invite({ email: newEmail(), roles: ['admin'] })).body.id;
    const has = (await invite({ email: newEmail() })).body.id;
    await world.rows(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'compliance')`, [has]);
    const ordinary = (await invite({ email: newEmail() })).body.id;
    for (const id of [willHave, has])
      expect(await act(`/v1/admin/users/${id}/invite`, { reason }, bearer)).toMatchObject({
        status: 403,
        body: { code: 'rights_exceeded' },
      });
    expect(await act(`/v1/admin/users/${ordinary}/invite`, { reason }, bearer)).toMatchObject({ status: 200 });
    expect(await act(`/v1/admin/users/${willHave}/invite`, { reason })).toMatchObject({
      status: 200,
      body: { roles: ['user'], invited_roles: ['admin'] },
    });
  });

  test('accepts no invitation that was sent elsewhere, or once its address is proved; one of before is not sent any more', async () => {
    const [moved, proved, waiting] = [newEmail(), newEmail(), newEmail()];
    const ids: string[] = [];
    for (const email of [moved, proved, waiting]) ids.push((await invite({ email, roles: ['compliance'] })).body.id);
    expect(await act(`/v1/admin/users/${ids[2]}/invite`, { reason })).toMatchObject({ status: 200 });
    const codes = [await world.codeFor(moved), await world.codeFor(proved)];
    await world.rows('UPDATE users SET email = $2 WHERE id = $1', [ids[0], newEmail()]);
    await world.rows('UPDATE users SET "emailVerified" = now() WHERE id = $1', [ids[1]]);
    for (const code of codes) expect(await accept(code)).toMatchObject({ body: { code: 'code_invalid' } });
    for (const id of ids) expect(await rolesOf(id)).toEqual(['user']);
    expect(await world.mails.to(waiting)).toHaveLength(1);
    expect(await accept(await world.codeFor(waiting))).toMatchObject({ status: 200 });
  });

  test('goes when nobody has come a month after its invitation ended; not who was disabled, or has a way in', async () => {
    const [nobody, disabled, known, late] = [newEmail(), newEmail(), newEmail(), newEmail()];
    const ids: string[] = [];
    for (const email of [nobody, disabled, known, late]) ids.push((await invite({ email })).body.id);
    await act(`/v1/admin/users/${ids[1]}/disable`, { reason });
    await world.rows(
      `INSERT INTO accounts (id, "accountId", "providerId", "userId", password) VALUES ($1, $1, 'credential', $1, 'x')`,
      [ids[2]],
    );
    const over = `UPDATE invitations SET expires_at = now() - $2::interval WHERE user_id = $1`;
    for (const id of ids) await world.rows(over, [id, id === ids[3] ? '29 days' : '31 days']);
    await purge(world.open.ports, [invitationPurge], { pace: { factor: 0, leastMs: 0 } });
    const left = await world.rows('SELECT email FROM users WHERE id = ANY ($1)', [ids]);
    expect((left as { email: string }[]).map(({ email }) => email).sort()).toEqual([disabled, known, late].sort());
  });
});
