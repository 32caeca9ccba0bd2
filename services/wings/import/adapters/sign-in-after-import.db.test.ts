import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hash } from '@node-rs/bcrypt';
import { describe, expect, test } from 'vitest';
import { openFactorsHarness } from '#services/core/identity/factors/factors-harness.ts';
import { signIn } from '#services/core/identity/sign-in/sign-in.ts';
import { callerAt, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { importMap } from '../import-shapes.ts';
import { runImport } from '../run/run-import.ts';
import { startImport } from '../run/start-import.ts';
import { findAdapter } from './adapters.ts';

const harness = opened(openFactorsHarness);

const fixture = (name: string): string => readFileSync(new URL(`./fixtures/${name}`, import.meta.url), 'utf8');
const hashConfig = fixture('firebase-hash-config.txt');

/** Imports a fixture whose users have addresses and linked accounts of their own. */
const importFixture = (kind: string, file: string, parameters: Readonly<Record<string, string>>) =>
  importText(
    kind,
    fixture(file)
      .replaceAll('@example.com', `@${kind}.example`)
      .replaceAll('110248495921238986420', `subject of ${kind}`),
    parameters,
  );

async function importText(kind: string, text: string, parameters: Readonly<Record<string, string>> = {}) {
  const adapter = findAdapter(kind);
  if (adapter === undefined) throw new Error(`no adapter ${kind}`);
  const map = importMap.parse({ roles: { editor: 'auditor' }, parameters });
  const sourceSha256 = createHash('sha256').update(text).digest('hex');
  const source = { kind, map, sourceSha256, sourceBytes: text.length, reason: 'a test' };
  const { deps } = harness;
  const ports = { ...deps, factorSeal: deps.auth.factors, relyingPartyId: 'auth.example' };
  const row = await startImport(ports, source, testCaller);
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(text);
  }
  return runImport(ports, { row, adapter, map, stream: stream() }, testCaller);
}

let networks = 0;
const enter = (email: string, password: string): Promise<string> =>
  outcomeOf(signIn(harness.deps, { email, password }, callerAt(`198.51.100.${++networks}`)));
const digestOf = async (email: string): Promise<string> =>
  (
    await harness.rows`SELECT a.password FROM accounts a JOIN users u ON u.id = a."userId"
      WHERE u.email = ${email} AND a.password IS NOT NULL`
  )[0]?.password;

/** What a sign-in with the right password gives. */
const SYSTEMS = [
  ['keycloak', 'keycloak-realm.json', { ada: 'ok', grace: 'ok', linus: 'ok', mallory: 'login_refused' }],
  ['firebase', 'firebase.json', { ada: 'ok', grace: 'login_refused', linus: 'ok' }],
  ['auth0', 'auth0.ndjson', { ada: 'second_factor_required', grace: 'login_refused', linus: 'ok' }],
  ['supabase', 'supabase.ndjson', { ada: 'second_factor_required', grace: 'login_refused', linus: 'ok' }],
  ['zitadel', 'zitadel.json', { ada: 'second_factor_required', grace: 'ok', linus: 'ok' }],
] as const;

describe.each(SYSTEMS)('users of %s', (kind, file, outcomes) => {
  const address = (name: string): string => `${name}@${kind}.example`;
  const ended = opened(
    async () => (await importFixture(kind, file, kind === 'firebase' ? { hash_config: hashConfig } : {}))!,
  );

  test('are imported, with their hashes as they were', async () => {
    expect(ended.state).toBe('done');
    expect(ended.new_count).toBeGreaterThanOrEqual(3);
    for (const name of Object.keys(outcomes)) expect(await digestOf(address(name))).not.toMatch(/^\$2b\$12\$/);
  });

  test('sign in with their old password, and with no other', async () => {
    for (const [name, outcome] of Object.entries(outcomes)) {
      expect(await enter(address(name), `password of ${name}!`), name).toBe('login_refused');
      expect(await enter(address(name), `password of ${name}`), name).toBe(outcome);
    }
  });

  test('have a hash of this installation after the sign-in', async () => {
    const name = Object.entries(outcomes).find(([, outcome]) => outcome === 'ok')?.[0] ?? '';
    await expect.poll(() => digestOf(address(name)), { timeout: 10_000 }).toMatch(/^\$2b\$12\$/);
    expect(await enter(address(name), `password of ${name}`)).toBe('ok');
  });
});

test('the CSV of Clerk brings users with their passwords, and with whether their addresses are verified', async () => {
  const digest = await hash('password of a user', 4);
  const head =
    'id,primary_email_address,verified_email_addresses,unverified_email_addresses,password_digest,password_hasher';
  const rows = ['c1,v@clerk.example,v@clerk.example,', 'c2,u@clerk.example,,u@clerk.example'];
  await importText('clerk', [head, ...rows.map((row) => `${row},${digest},bcrypt`)].join('\n'));
  const found = `SELECT email || ' ' || ("emailVerified" IS NOT NULL) AS text FROM users WHERE email LIKE '%@clerk.example'`;
  const texts = (await harness.rows(found)).map(({ text }) => text).sort();
  expect(texts).toEqual(['u@clerk.example false', 'v@clerk.example true']);
  for (const email of ['u@clerk.example', 'v@clerk.example']) {
    expect(await enter(email, 'password of another')).toBe('login_refused');
    expect(await enter(email, 'password of a user')).toBe('ok');
  }
});

test('the signer key of Firebase is sealed, and in no row in clear', async () => {
  const key = /base64_signer_key: (\S+?),/.exec(hashConfig)?.[1] as string;
  const rows = await harness.rows`
    SELECT sealed AS text FROM imported_hash_keys UNION ALL SELECT password FROM accounts WHERE password IS NOT NULL
    UNION ALL SELECT i::text FROM imports i UNION ALL SELECT a::text FROM audit_outbox a`;
  expect(rows.length).toBeGreaterThan(10);
  for (const { text } of rows) expect(text).not.toContain(key);
  expect(await harness.rows`SELECT 1 FROM imported_hash_keys`).toHaveLength(1);
});

test('a bcrypt hash of a passphrase over 72 bytes lets its user in once, and then only the whole passphrase does', async () => {
  // By the C library of Linux; it looks like a hash of ours.
  const passphrase = 'a passphrase of many words, longer than the seventy-two bytes that bcrypt reads';
  const email = 'long@passphrase.example';
  const hash = '$2b$12$Wf.BoNEJNTrbAT3ixFBQCuCk8at7lQbvyWp1oonp/GYLa7vPNlZt2';
  await importText('ndjson', JSON.stringify({ legacy_id: 'long', email, password_hash: hash }));
  expect(await enter(email, `another ${passphrase}`)).toBe('login_refused');
  expect(await enter(email, passphrase)).toBe('ok');
  await expect.poll(() => digestOf(email), { timeout: 10_000 }).toMatch(/^\$sp1\$/);
  expect(await enter(email, passphrase.slice(0, 72))).toBe('login_refused');
  expect(await enter(email, passphrase)).toBe('ok');
});

test('users who came to Supabase from Firebase sign in, and their signer key is kept sealed', async () => {
  const key = 'jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==';
  const hash = 'lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ==';
  const digest = `$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=${key}$42xEC+ixf3L2lw==$${hash}`;
  const email = 'twice@moved.example';
  await importText('supabase', JSON.stringify({ id: 'moved', email, encrypted_password: digest }));
  expect(await digestOf(email)).not.toContain(key);
  expect(await enter(email, 'user2password')).toBe('login_refused');
  expect(await enter(email, 'user1password')).toBe('ok');
});

test('a source with a signer key for each user keeps sixteen of them, and rejects the others', async () => {
  const lines = Array.from({ length: 17 }, (_, at) => {
    const key = Buffer.alloc(64, at + 1).toString('base64');
    const digest = `$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk=${key}$42xEC+ixf3L2lw==$${'A'.repeat(86)}==`;
    return JSON.stringify({ id: `key${at}`, email: `key${at}@keys.example`, encrypted_password: digest });
  });
  const ended = await importText('supabase', lines.join('\n'));
  expect(ended).toMatchObject({ new_count: 16, reject_reasons: { hash_unknown: 1 } });
});
