import { randomUUID } from 'node:crypto';
import { beforeAll, expect, test } from 'vitest';
import { ensureKeys } from '#services/core/keys/ensure-keys.ts';
import { loadConfig } from '#services/platform/config/load.ts';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { openCliHarness } from '../cli-harness.ts';

const reason = ['--reason', 'because of the test', '--yes'];

const harness = opened(() => openCliHarness({ BETTER_AUTH_URL: 'https://auth.example.test' }));
beforeAll(async () => {
  const { keys, tokens } = loadConfig({});
  await ensureKeys(harness.ports, { keys, tokens, authSecret: 'x'.repeat(32), audience: null }, testCaller);
});

/** A user with a password. */
async function newUser(): Promise<{ id: string; email: string }> {
  const id = randomUUID();
  const email = `${id}@example.test`;
  await harness.ports.raw`INSERT INTO users (id, email, "emailVerified") VALUES (${id}, ${email}, now())`;
  await harness.ports.raw`INSERT INTO accounts (id, "accountId", "providerId", "userId", password, "updatedAt")
    VALUES (${id}, ${id}, 'credential', ${id}, 'x', now())`;
  return { id, email };
}

test('why says in one sentence what refuses a sign-in, and its fix is a command that mends it', async () => {
  const { id, email } = await newUser();
  await harness.json(['users', 'disable', email, ...reason]);
  const { code, out } = await harness.sallyport(['users', 'why', email.toUpperCase()]);
  expect(code).toBe(0);
  const [sentence, fix, ...others] = out.trimEnd().split('\n');
  expect(sentence).toMatch(new RegExp(`^${email} is disabled since \\d\\S+Z\\.$`));
  expect([fix, others]).toEqual([`  fix: npx sallyport users enable ${id} --reason <why>`, []]);
  const command = (fix as string).split(' ').slice(5, -2);
  expect((await harness.sallyport([...command, ...reason])).code).toBe(0);
  expect(await harness.json(['users', 'why', id])).toMatchObject({ user_id: id, cause: 'nothing', also: [] });
});

test('why follows the settings of this installation, and names what else applies', async () => {
  const { id } = await newUser();
  const asked = ['users', 'why', id];
  await harness.ports.raw`UPDATE users SET "emailVerified" = NULL WHERE id = ${id}`;
  await harness.ports.raw`INSERT INTO user_roles (user_id, role) VALUES (${id}, 'auditor')`;
  expect(await harness.json(asked)).toMatchObject({ cause: 'nothing' });
  const strict = { REQUIRE_EMAIL_VERIFICATION: 'true', MFA_REQUIRED_ROLES: 'auditor' };
  expect(await harness.json(asked, strict)).toMatchObject({
    cause: 'email_unverified',
    also: [{ cause: 'second_factor_missing' }],
  });
  expect((await harness.sallyport(asked, strict)).out).toMatch(/\nalso: \S+ has no second factor: .*\n {2}fix: /);
});

test('verbs that take a user take an address; one without account is user_unknown', async () => {
  const { id, email } = await newUser();
  expect(await harness.json(['users', 'show', email])).toMatchObject({ id });
  expect(await harness.json(['users', 'roles', email, '--grant', 'auditor', ...reason])).toMatchObject({ id });
  expect(await harness.json(['users', 'unlock', email, ...reason])).toMatchObject({ user_id: id });
  expect(await harness.json(['sessions', 'list', '--user', email])).toMatchObject({ sessions: [] });
  expect(await harness.json(['sessions', 'revoke', '--user', email, ...reason])).toEqual({ ended: 0 });
  expect(await harness.json(['agents', 'list', '--owner', email])).toMatchObject({ agents: [] });
  expect(await harness.json(['users', 'delete', email, ...reason])).toEqual({ deleted: id });
  for (const verb of ['why', 'show']) {
    const unknown = await harness.sallyport(['users', verb, email]);
    expect(unknown).toMatchObject({ code: 2, out: '' });
    expect(unknown.err).toContain('User not found: No account has this address. (user_unknown)');
  }
});
