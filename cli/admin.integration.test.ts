import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { opened, partOf } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { ensureKeys } from '../services/core/keys/ensure-keys.ts';
import { loadConfig } from '../services/platform/config/load.ts';
import { newAssertionMaker } from '../tools/testing/fakes/assertions.ts';
import { blackPng } from '../tools/testing/fakes/png.ts';
import { testCaller } from '../tools/testing/harness/ports.ts';
import { openCliHarness } from './cli-harness.ts';

const reason = ['--reason', 'because of the test'];

const harness = opened(() => openCliHarness({ BETTER_AUTH_URL: 'https://auth.example.test' }));
const ports = partOf(() => harness.ports);
beforeAll(async () => {
  const { keys, tokens } = loadConfig({ JWT_ADDITIONAL_ALGORITHMS: 'EdDSA' });
  await ensureKeys(ports, { keys, tokens, authSecret: 'x'.repeat(32), audience: null }, testCaller);
});

const sallyport = (...args: readonly string[]) => harness.sallyport(args);
const json = (...args: readonly string[]) => harness.json([...args, '--yes']);
async function newUser(...roles: string[]): Promise<string> {
  const id = randomUUID();
  await ports.raw`INSERT INTO users (id, email) VALUES (${id}, ${`${id}@example.test`})`;
  for (const role of roles) await ports.raw`INSERT INTO user_roles (user_id, role) VALUES (${id}, ${role})`;
  await ports.raw`INSERT INTO sessions (id, "userId", "expiresAt", token)
    VALUES (${`session-${id}`}, ${id}, now() + interval '1 day', ${`session-${id}`})`;
  return id;
}
const actors = (type: string, target: string) =>
  ports.raw`SELECT actor_id, detail ->> 'reason' AS reason FROM audit_outbox
    WHERE type = ${type} AND target_id = ${target}`;
const by = (name: string) => [{ actor_id: `sallyport ${name}`, reason: 'because of the test' }];

test('users lists, shows, disables, enables, gives roles to and deletes accounts, and records the reason in the audit log', async () => {
  const id = await newUser();
  const { users } = await json('users', 'list', '--email-prefix', id.slice(0, 8));
  expect(users).toMatchObject([{ id, roles: ['user'], disabled_at: null }]);
  expect((await sallyport('users', 'show', id)).out).toMatch(
    new RegExp(
      `^${id}  \\S+  enabled   user  \\S+\\nsessions 1  token families 0  last sign-in \\d\\S+\\ne-mail address not verified\\npassword not locked  wrong 0  changed never\\nfactors totp no  passkeys 0  recovery codes 0`,
    ),
  );
  const rehearsal = await sallyport('users', 'disable', id, ...reason, '--dry-run', '--json');
  expect(JSON.parse(rehearsal.out)).toEqual({ dry_run: true, would: `disable ${id}@example.test` });
  expect(await sallyport('users', 'disable', id, ...reason)).toMatchObject({ code: 4, out: '' });
  expect(await json('users', 'roles', id, '--grant', 'auditor', ...reason)).toMatchObject({
    roles: ['auditor', 'user'],
  });
  expect((await json('users', 'disable', id, ...reason)).sessions).toBe(0);
  expect(await actors('user.disabled', id)).toEqual(by('users'));
  expect((await json('users', 'list', '--disabled')).users).toMatchObject([{ id }]);
  const made = users[0].created_at;
  const madeIn = async (...span: string[]) =>
    (await json('users', 'list', '--email-prefix', id.slice(0, 8), ...span)).users.length;
  expect(await madeIn('--created-from', made.slice(0, 10), '--created-to', made.slice(0, 10))).toBe(1);
  expect(await madeIn('--created-to', '2020-01-01')).toBe(0);
  expect(await madeIn('--created-from', '2100-01-01T00:00:00Z')).toBe(0);
  expect((await sallyport('users', 'list', '--created-from', 'yesterday')).code).toBe(2);
  expect((await json('users', 'enable', id, ...reason)).disabled_at).toBeNull();
  expect(await json('users', 'roles', id, '--remove', 'auditor', ...reason)).toMatchObject({ roles: ['user'] });
  expect(await json('users', 'roles', id)).toEqual({ roles: ['user'] });
  expect(await json('users', 'delete', id, ...reason)).toEqual({ deleted: id });
  expect(await actors('user.deleted', id)).toEqual(by('users'));
});

test('users reset-factors removes a lost second factor, notifies the owner and records the reason in the audit log', async () => {
  const id = await newUser();
  await ports.raw`INSERT INTO two_factors (id, "userId", secret, "backupCodes", verified)
    VALUES (${id}, ${id}, 'secret', 'codes', true)`;
  expect((await sallyport('users', 'show', id)).out).toContain('factors totp yes  passkeys 0  recovery codes 10');
  const rehearsal = await sallyport('users', 'reset-factors', id, '--passkeys', ...reason, '--dry-run', '--json');
  expect(JSON.parse(rehearsal.out).would).toBe(
    `remove the authenticator app and every passkey from ${id}@example.test`,
  );
  expect(await json('users', 'reset-factors', id, ...reason)).toMatchObject({ sessions: 0, factors: { totp: false } });
  expect(await actors('user.factors_reset', id)).toEqual(by('users'));
  expect(await ports.raw`SELECT template FROM mail_outbox WHERE template = 'factors_reset'`).toHaveLength(1);
  await ports.raw`DELETE FROM mail_outbox`;
  expect(await sallyport('users', 'reset-factors', id, ...reason, '--yes')).toMatchObject({ code: 5 });
});

test('users invite and invite-again leave the mail to a worker and record the reason in the audit log', async () => {
  const email = `${randomUUID()}@example.test`;
  const invited = await json('users', 'invite', email.toUpperCase(), '--name', 'Grace', '--role', 'auditor', ...reason);
  expect(invited).toMatchObject({
    email,
    name: 'Grace',
    roles: ['user'],
    invited_roles: ['auditor'],
    email_verified_at: null,
  });
  expect(await json('users', 'invite-again', invited.id, ...reason)).toMatchObject({ id: invited.id });
  expect(await actors('user.invited', invited.id)).toEqual([...by('users'), ...by('users')]);
  expect(await ports.raw`SELECT template FROM mail_outbox`).toEqual([
    { template: 'invitation' },
    { template: 'invitation' },
  ]);
  expect(await sallyport('users', 'invite', email, ...reason, '--yes')).toMatchObject({ code: 5 });
  expect((await sallyport('users', 'invite', 'unknown', ...reason, '--yes')).err).toContain(
    'e-mail address "unknown" is not an e-mail address',
  );
});

test('sessions lists sessions and ends one, or all sessions of a user', async () => {
  const [one, two] = [await newUser(), await newUser()];
  expect((await json('sessions', 'list', '--user', one)).sessions).toMatchObject([
    { id: `session-${one}`, logins: [] },
  ]);
  expect((await json('sessions', 'list', '--client', 'sallyport')).sessions).toEqual([]);
  const { next } = await json('sessions', 'list', '-n', '1');
  expect((await sallyport('sessions', 'list', '-n', '1')).err).toContain(`next page: --cursor ${next}`);
  expect((await json('sessions', 'list', '--cursor', next)).sessions).toHaveLength(1);
  expect(await json('sessions', 'revoke', `session-${one}`, ...reason)).toEqual({ ended: 1 });
  expect(await actors('session.ended', `session-${one}`)).toEqual(by('sessions'));
  expect(await json('sessions', 'revoke', '--user', two, ...reason)).toEqual({ ended: 1 });
  const revocations =
    await ports.raw`SELECT kind FROM revocations WHERE value IN (${two}, ${`session-${two}`}) ORDER BY kind`;
  expect(revocations).toEqual([{ kind: 'sid' }, { kind: 'user' }]);
});

test('sessions revoke ends one token family, and leaves its session and the other families alone', async () => {
  const [userId, families] = [await newUser(), [randomUUID(), randomUUID()] as const];
  const [ended, kept] = families;
  await ports.raw`INSERT INTO refresh_families (id, idle_expires_at, expires_at, nonce_hash, kv, prev_kv, client_id,
    client_bound, sid, user_id,
      user_epoch, client_epoch, scope, audience, auth_time)
    SELECT id, now() + interval '1 day', now() + interval '1 day', sha256('x'), 1, 1, client, true,
      ${`session-${userId}`}, ${userId}, 0, 0, '', 'x', now()
    FROM unnest(${families}::uuid[], '{sallyport,sallyport-console}'::text[]) AS made (id, client)`;
  expect(await json('sessions', 'revoke', '--family', ended, ...reason)).toEqual({ ended: 1 });
  expect(await actors('token.family_ended', ended)).toEqual(by('sessions'));
  expect((await json('sessions', 'list', '--user', userId)).sessions).toMatchObject([
    { logins: [{ family_id: kept }] },
  ]);
  expect((await sallyport('sessions', 'revoke', '--family', randomUUID(), ...reason, '--yes')).code).toBe(5);
  expect((await sallyport('sessions', 'revoke', '--family', 'x', ...reason, '--yes')).code).toBe(2);
  expect((await sallyport('sessions', 'revoke', '--family', kept, '--user', userId, ...reason, '--yes')).code).toBe(2);
});

test('clients creates a client and shows its secret once, replaces the secret, disables and deletes the client', async () => {
  const made = await json(
    ...'clients create Reports --credential-scopes tokens:read --audiences https://a.example --dpop-bound'.split(' '),
    ...'--post-logout-redirect-uris https://a.example/bye --backchannel-logout-uri'.split(' '),
    ...'https://a.example/logout'.split(' '),
    ...reason,
  );
  expect(made).toMatchObject({
    name: 'Reports',
    post_logout_redirect_uris: ['https://a.example/bye'],
    backchannel_logout_uri: 'https://a.example/logout',
    credential_scopes: ['tokens:read'],
    audiences: ['https://a.example'],
    dpop_bound_access_tokens: true,
    tls_client_certificate_bound_access_tokens: false,
    require_pushed_authorization_requests: false,
  });
  const certified = ['clients', 'create', 'Bank', '--auth-method', 'tls_client_auth', ...reason];
  const bank = await json(...certified, '--certificate-name', 'san_uri=https://bank.example/?a=b');
  expect(bank).toMatchObject({ client_secret: null, tls_client_auth_san_uri: 'https://bank.example/?a=b' });
  expect((await sallyport('clients', 'show', bank.client_id)).out).toContain(
    '\ntls_client_auth_san_uri https://bank.example/?a=b\n',
  );
  expect(await sallyport(...certified, '--certificate-name', 'bank.example', '--yes')).toMatchObject({ code: 2 });
  const change = ['clients', 'update', made.client_id, ...reason];
  const folder = testFolder(onTestFinished);
  const file = join(folder, 'logo.png');
  await writeFile(file, blackPng(8));
  expect((await json(...change, '--logo', file)).has_logo).toBe(true);
  expect((await json(...change, '--no-logo')).has_logo).toBe(false);
  await rm(file);
  expect(await sallyport(...change, '--logo', file, '--yes')).toMatchObject({ code: 2 });
  const listed = await sallyport('clients', 'list', '--json');
  expect(listed.out).toContain(made.client_id);
  expect(listed.out).not.toContain(made.client_secret);
  const shown = await sallyport('clients', 'rotate-secret', made.client_id, ...reason, '--yes');
  expect(shown.out).toMatch(/\nsecret {2}[\w-]{43} {2}\(shown only once\)\n$/);
  const changed = await json(...change, '--name', 'Figures', '--no-dpop-bound', '--pushes-requests');
  expect(changed).toMatchObject({
    name: 'Figures',
    credential_scopes: ['tokens:read'],
    dpop_bound_access_tokens: false,
    require_pushed_authorization_requests: true,
  });
  expect(await sallyport(...change, '--yes')).toMatchObject({ code: 2, out: '' });
  expect(await actors('client.changed', made.client_id)).toEqual(Array(3).fill(by('clients')[0]));
  expect(await json('clients', 'show', made.client_id)).toEqual(changed);
  expect((await sallyport('clients', 'show', made.client_id)).out).toMatch(
    /\nafter sign-out to https:\/\/a\.example\/bye\nlogout tokens to https:\/\/a\.example\/logout\nID tokens with the default algorithm .*\nDPoP-bound no .*pushes requests yes {2}PKCE required {2}refresh rotation on {2}refresh copies 0 s {2}profile default\n$/,
  );
  const replaced = await json('clients', 'rotate-secret', made.client_id, '--overlap', '0', ...reason);
  expect(replaced).toMatchObject({ client_secret: expect.any(String), previous_secret_until: null });
  expect((await json('clients', 'disable', made.client_id, ...reason)).disabled).toBe(true);
  expect((await json('clients', 'enable', made.client_id, ...reason)).disabled).toBe(false);
  expect(await json('clients', 'delete', made.client_id, ...reason)).toEqual({ deleted: made.client_id });
  expect(await actors('client.secret_rotated', made.client_id)).toEqual([...by('clients'), ...by('clients')]);
});

test('clients registers a client that signs with its own keys, from a file or an address, and changes them', async () => {
  const folder = testFolder(onTestFinished);
  const file = join(folder, 'jwks.json');
  const { kid, kty, crv, x, y } = newAssertionMaker().jwk;
  await writeFile(file, JSON.stringify({ keys: [{ kid, kty, crv, x, y }] }));
  const signing = ['--auth-method', 'private_key_jwt'];
  const made = await json('clients', 'create', 'Signer', ...signing, '--jwks', file, ...reason);
  expect(made).toMatchObject({ client_secret: null, jwks: { keys: [{ kid, kty, crv, x, y }] }, jwks_uri: null });
  expect((await sallyport('clients', 'show', made.client_id)).out).toContain(`keys ${kid}`);
  const moved = ['clients', 'update', made.client_id, '--jwks-uri', 'https://app.example/keys', ...reason];
  expect(await json(...moved)).toMatchObject({ jwks: null, jwks_uri: 'https://app.example/keys' });
  expect((await sallyport('clients', 'show', made.client_id)).out).toContain('keys from https://app.example/keys');
  const workload = { issuer: 'https://tokens.example', subject: 'repo:org/app:*' };
  await writeFile(join(folder, 'workload.json'), JSON.stringify(workload));
  const binds = ['clients', 'update', made.client_id, '--workload', join(folder, 'workload.json'), ...reason];
  expect(await json(...binds)).toMatchObject({ workload, jwks_uri: 'https://app.example/keys' });
  expect(await json('clients', 'update', made.client_id, '--no-workload', ...reason)).toMatchObject({ workload: null });
  const back = ['clients', 'update', made.client_id, '--auth-method', 'client_secret_basic', ...reason];
  expect(await json(...back)).toMatchObject({ auth_method: 'client_secret_basic', jwks_uri: null });
  const fapi = await json('clients', 'create', 'Bank', '--profile', 'fapi2', '--jwks', file, ...reason);
  expect(fapi).toMatchObject({ profile: 'fapi2', auth_method: 'private_key_jwt', refresh_rotation: 'off' });
  const left = await json('clients', 'update', fapi.client_id, '--profile', 'default', ...reason);
  expect(left).toMatchObject({ profile: 'default', refresh_rotation: 'off' });
  for (const [keys, code, says] of [
    [['--jwks', join(folder, 'missing.json')], 2, /not a readable JSON file/],
    [['--jwks', file, '--jwks-uri', 'https://app.example/keys'], 2, /Keys of the client not acceptable/],
    [[], 2, /Keys of the client not acceptable/],
  ] as const) {
    const refused = await sallyport('clients', 'create', 'Signer', ...signing, ...keys, ...reason, '--yes');
    expect([refused.code, says.test(refused.err)], refused.err).toEqual([code, true]);
  }
});

test('doctor names clients of fapi2 with RS256 and algorithms that no key signs with, and how to change that', async () => {
  const folder = testFolder(onTestFinished);
  const file = join(folder, 'jwks.json');
  await writeFile(file, JSON.stringify({ keys: [newAssertionMaker().jwk] }));
  const { client_id } = await json('clients', 'create', 'Bank', '--profile', 'fapi2', '--jwks', file, ...reason);
  // As a client was registered while only RS256 signed.
  await ports.raw`UPDATE oauth_clients SET id_token_signed_response_alg = NULL WHERE "clientId" = ${client_id}`;
  const checks = async () => {
    const found: { name: string }[] = JSON.parse((await sallyport('doctor', '--json')).out).checks;
    return ['clients', 'signing keys'].map((wanted) => found.find(({ name }) => name === wanted));
  };
  expect(await checks()).toMatchObject([
    {
      result: 'warn',
      evidence: expect.stringContaining(`FAPI 2.0 tokens signed with RS256 for ${client_id}`),
      fix: expect.stringContaining(`clients update ${client_id} --profile fapi2`),
    },
    { result: 'pass', evidence: '1 signing of 1; for clients registered for it: EdDSA' },
  ]);
  expect(await json('clients', 'update', client_id, '--profile', 'fapi2', ...reason)).toMatchObject({
    id_token_signed_response_alg: 'EdDSA',
  });
  const { keys, tokens } = loadConfig({});
  await ensureKeys(ports, { keys, tokens, authSecret: 'x'.repeat(32), audience: null }, testCaller);
  expect(await checks()).toMatchObject([
    { evidence: expect.not.stringContaining(client_id) },
    {
      result: 'fail',
      evidence: expect.stringMatching(
        /^\d clients are registered for EdDSA, with which no key signs: they get no tokens$/,
      ),
      fix: expect.stringContaining('JWT_ADDITIONAL_ALGORITHMS'),
    },
  ]);
  await json('clients', 'delete', client_id, ...reason);
});

test('a refused command ends with the exit code of the refusal and one fix', async () => {
  const last = await newUser('admin');
  for (const [args, code, message] of [
    [
      ['users', 'disable', last, ...reason, '--yes'],
      5,
      /Last administrator.* \(last_admin\)\n {2}fix: Grant the role to another user/,
    ],
    [['users', 'show', 'unknown'], 2, /User not found/],
    [['users', 'list', '--cursor', 'bm8'], 2, /cursor_invalid/],
    [['users', 'list', '--limit', '0'], 2, /1 to 100/],
    [['users', 'delete', last], 2, /--reason/],
    [['sessions', 'revoke', ...reason], 2, /name one session, or pass --family or --user/],
    [['clients', 'disable', 'sallyport', ...reason, '--yes'], 5, /built-in client cannot be changed/],
    [['roles', 'create', 'Bad Name', '--description', 'x', ...reason], 2, /name "Bad Name" does not have the form/],
    [
      ['roles', 'create', 'desk', 'no:such', '--description', 'x', ...reason, '--yes'],
      2,
      /Unknown permission no:such[\s\S]*sallyport apply/,
    ],
    [
      ['roles', 'create', 'desk', 'keys:read', ...reason, '--yes'],
      2,
      /--description is missing\n {2}fix: add --description/,
    ],
    [
      ['clients', 'create', 'X', '--grants', 'password', ...reason],
      2,
      /--grants "password" is not one of authorization_code, /,
    ],
    [['clients', 'create', 'X', '--grants', 'autorization_code', ...reason], 2, /did you mean authorization_code\?/],
    [
      ['clients', 'create', 'X', '--scopes', 'opnid', ...reason, '--yes'],
      2,
      /--scopes: "opnid" is no scope: did you mean openid\?/,
    ],
    [['clients', 'create', 'X', '--grants', 'authorization_code', ...reason, '--yes'], 2, /needs a redirect URI/],
    [
      ['clients', 'create', 'X', '--id', 'with space', ...reason, '--dry-run'],
      2,
      /--id "with space" does not have the form/,
    ],
    [['roles', 'delete', 'admin', ...reason, '--yes'], 5, /Built-in roles cannot be changed/],
  ] as const) {
    const run = await sallyport(...args);
    expect(run.err).toMatch(message);
    expect(run).toMatchObject({ code, out: '' });
  }
});
