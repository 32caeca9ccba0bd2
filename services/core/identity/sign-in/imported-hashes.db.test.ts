import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { signerKeyId, writeFirebaseDigest } from '#services/platform/hasher/formats/firebase-scrypt.ts';
import { newEmail } from '#tools/testing/flows/flows.ts';
import { insertPerson } from '#tools/testing/flows/signed-in.ts';
import { callerAt } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { openFactorsHarness } from '../factors/factors-harness.ts';
import { storeImportedKey } from '../passwords/imported-keys.ts';
import { signIn } from './sign-in.ts';

/** Made by tools/imported-hashes.py; its password is one that Unicode normalisation changes. */
const { password, digests, firebase } = JSON.parse(
  readFileSync(new URL('../../../platform/hasher/formats/imported-hashes.json', import.meta.url), 'utf8'),
);
const signerKey = Buffer.from(firebase.signer_key, 'base64');
const FIREBASE = writeFirebaseDigest({
  keyId: signerKeyId(signerKey),
  saltSeparator: firebase.salt_separator,
  rounds: firebase.rounds,
  memoryCost: firebase.mem_cost,
  salt: firebase.salt,
  hash: firebase.hash,
});

const harness = opened(openFactorsHarness);

let networks = 0;
const enter = (email: string, text: string): Promise<string> =>
  outcomeOf(signIn(harness.deps, { email, password: text }, callerAt(`198.51.100.${++networks}`)));
const digestOf = async (userId: string): Promise<string> =>
  (await harness.rows`SELECT password FROM accounts WHERE "userId" = ${userId}`)[0].password;
const person = async (digest: string) => {
  const email = newEmail();
  return { email, id: await insertPerson({ stores: { pools: { main: harness.pool } } }, email, digest) };
};

test.each([
  ['bcrypt', digests.bcrypt[0]],
  ['better-auth-scrypt', digests['better-auth-scrypt'][0]],
  ['django-bcrypt-sha256', digests['django-bcrypt-sha256'][0]],
  ['phpass', digests.phpass[0]],
  ['sha512-crypt', digests['sha512-crypt'][0]],
  ['salted-sha256', digests['salted-sha256'][0]],
])(
  'a user whose hash is %s signs in with the old password alone, and then has a hash of ours',
  async (_format, digest) => {
    const { id, email } = await person(digest);
    expect(await enter(email, `${password}!`)).toBe('login_refused');
    expect(await digestOf(id)).toBe(digest);
    expect(await enter(email, password)).toBe('ok');
    await expect.poll(() => digestOf(id), { timeout: 10_000 }).toMatch(/^\$2b\$12\$/);
  },
);

test('a Firebase hash is verified with the sealed signer key; without the key it is an error, and no sign-in', async () => {
  const { id, email } = await person(FIREBASE);
  expect(await enter(email, password)).toMatch(/unknown scheme/);
  await harness.deps.transact((tx) => storeImportedKey(tx, harness.deps, signerKey));
  expect(await enter(email, password)).toBe('ok');
  await expect.poll(() => digestOf(id), { timeout: 10_000 }).toMatch(/^\$2b\$12\$/);
  expect(await enter(email, password)).toBe('ok');
});
