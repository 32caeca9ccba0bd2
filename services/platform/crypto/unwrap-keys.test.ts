import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { opened } from '#tools/testing/opened.ts';
import { testFolder } from '#tools/testing/test-folder.ts';
import { ConfigError, keyEncryptionKeyOf, loadConfig, previousKeyEncryptionKeyOf } from '../config/load.ts';
import { keyServiceOf } from './key-services.ts';
import { type FakeKeyService, startFakeKms, startFakeVault } from './key-services-harness.ts';
import { withUnwrappedKeys } from './unwrap-keys.ts';

const [TOKEN, SECRET, KEY_ID] = ['vault-token', 'kms-secret/+', 'arn:aws:kms:eu-central-1:1:key/a'];
const AT_ONCE = [0, 0];

const vault = opened(() => startFakeVault(TOKEN));
const kms = opened(() => startFakeKms(SECRET, KEY_ID));
beforeEach(() => {
  for (const each of [vault, kms]) each.failures.length = 0;
});

type Env = Record<string, string>;
const services: Record<string, { readonly env: () => Env; readonly fake: () => FakeKeyService }> = {
  vault: {
    env: () => ({ KEY_ENCRYPTION_SERVICE: 'vault', VAULT_ADDR: vault.url, VAULT_TOKEN: TOKEN }),
    fake: () => vault,
  },
  'aws-kms': {
    env: () => ({
      KEY_ENCRYPTION_SERVICE: 'aws-kms',
      AWS_KMS_URL: kms.url,
      AWS_REGION: 'eu-central-1',
      AWS_KMS_KEY_ID: KEY_ID,
      AWS_ACCESS_KEY_ID: 'AKID',
      AWS_SECRET_ACCESS_KEY: SECRET,
      AWS_SESSION_TOKEN: 'session',
    }),
    fake: () => kms,
  },
};
const wrapNew = (env: Env): Promise<string> => keyServiceOf(loadConfig(env).wrappedKeys)!.wrapNew();
const unwrapped = (env: Env) => withUnwrappedKeys(loadConfig(env), AT_ONCE);
const keyOf = async (env: Env): Promise<Buffer> => keyEncryptionKeyOf(await unwrapped(env), 'unused');

describe.each(Object.entries(services))('a key-encryption key that %s wraps', (_name, { env, fake }) => {
  test('is decrypted at a start, the same at every start, and different for every new one', async () => {
    const [one, two] = [await wrapNew(env()), await wrapNew(env())];
    const wrapped = { ...env(), KEY_ENCRYPTION_KEY_WRAPPED: one };
    const key = await keyOf(wrapped);
    expect(key).toHaveLength(32);
    expect(await keyOf(wrapped)).toEqual(key);
    expect(await keyOf({ ...env(), KEY_ENCRYPTION_KEY_WRAPPED: two })).not.toEqual(key);
    expect(one).not.toContain(key.toString('base64'));
  });

  test('may be the previous one too, also of a new key in clear', async () => {
    const wrapped = await wrapNew(env());
    const clear = randomBytes(32).toString('base64');
    const config = await unwrapped({
      ...env(),
      KEY_ENCRYPTION_KEY: clear,
      KEY_ENCRYPTION_KEY_PREVIOUS_WRAPPED: wrapped,
    });
    expect(keyEncryptionKeyOf(config, 'unused').toString('base64')).toBe(clear);
    expect(previousKeyEncryptionKeyOf(config)).toEqual(await keyOf({ ...env(), KEY_ENCRYPTION_KEY_WRAPPED: wrapped }));
  });

  test('is asked for again while the service fails, and a start without an answer fails', async () => {
    const wrapped = { ...env(), KEY_ENCRYPTION_KEY_WRAPPED: await wrapNew(env()) };
    fake().failures.push(503, 429);
    expect(await keyOf(wrapped)).toHaveLength(32);
    fake().failures.push(503, 500, 502);
    await expect(unwrapped(wrapped)).rejects.toMatchObject({ name: 'KeyServiceError', status: 502 });
    const nowhere = { ...wrapped, VAULT_ADDR: 'http://127.0.0.1:1', AWS_KMS_URL: 'http://127.0.0.1:1' };
    await expect(unwrapped(nowhere)).rejects.toThrow('does not answer');
  });

  test('that was changed, or is of another service, is refused at once, naming the variable and no value', async () => {
    const wrapped = await wrapNew(env());
    for (const bad of [`${wrapped.slice(0, -6)}AAAAAA`, 'vault:v1:AAAA', 'not wrapped']) {
      const before = fake().calls.length;
      const refused = unwrapped({ ...env(), KEY_ENCRYPTION_KEY_WRAPPED: bad });
      await expect(refused).rejects.toThrow(ConfigError);
      await expect(refused).rejects.toThrow(/^KEY_ENCRYPTION_KEY_WRAPPED: was not decrypted: \S+( KMS)? answered 400/);
      expect(fake().calls.length - before).toBe(1);
    }
  });

  test('is refused with wrong credentials', async () => {
    const wrapped = await wrapNew(env());
    const wrong = { VAULT_TOKEN: 'wrong', AWS_SECRET_ACCESS_KEY: 'wrong' };
    const refused = unwrapped({ ...env(), ...wrong, KEY_ENCRYPTION_KEY_WRAPPED: wrapped });
    await expect(refused).rejects.toThrow(/answered 40[03]/);
    await expect(refused).rejects.not.toThrow(/wrong/);
  });
});

test('the token of Vault may be in a file', async () => {
  const folder = testFolder(onTestFinished);
  writeFileSync(join(folder, 'token'), `${TOKEN}\n`);
  const { VAULT_TOKEN: _, ...env } = services.vault!.env();
  expect(await wrapNew({ ...env, VAULT_TOKEN_FILE: join(folder, 'token') })).toMatch(/^vault:v1:/);
});

test('the path of the transit engine may be written with slashes around it, and a wrong one is named', async () => {
  const env = services.vault!.env();
  expect(await wrapNew({ ...env, VAULT_TRANSIT_MOUNT: '/transit/' })).toMatch(/^vault:v1:/);
  await expect(wrapNew({ ...env, VAULT_TRANSIT_MOUNT: 'nowhere' })).rejects.toThrow(
    'Vault answered 404: there is no transit engine at VAULT_TRANSIT_MOUNT',
  );
  vault.failures.push(503);
  await expect(wrapNew(env)).rejects.toThrow('Vault answered 503: it is sealed, or has no active node');
});

test('without a wrapped key no service is asked, and the settings stay as they are', async () => {
  const config = loadConfig({});
  expect(await withUnwrappedKeys(config)).toBe(config);
  const before = vault.calls.length;
  const named = loadConfig(services.vault!.env());
  expect(await withUnwrappedKeys(named)).toBe(named);
  expect(vault.calls.length).toBe(before);
});

test.each([
  ['a wrapped key without a service', { KEY_ENCRYPTION_KEY_WRAPPED: 'x' }, 'KEY_ENCRYPTION_SERVICE'],
  [
    'a wrapped key beside one in clear',
    { KEY_ENCRYPTION_KEY: 'x', KEY_ENCRYPTION_KEY_WRAPPED: 'x' },
    'KEY_ENCRYPTION_KEY_WRAPPED',
  ],
  ['Vault without its address', { KEY_ENCRYPTION_SERVICE: 'vault', VAULT_TOKEN: 'x' }, 'VAULT_ADDR'],
  ['Vault without a token', { KEY_ENCRYPTION_SERVICE: 'vault', VAULT_ADDR: 'http://v' }, 'VAULT_TOKEN'],
  [
    'KMS without a key',
    { KEY_ENCRYPTION_SERVICE: 'aws-kms', AWS_ACCESS_KEY_ID: 'x', AWS_SECRET_ACCESS_KEY: 'x' },
    'AWS_KMS_KEY_ID',
  ],
  [
    'Vault without TLS under production',
    { SALLYPORT_PROFILE: 'production', KEY_ENCRYPTION_SERVICE: 'vault', VAULT_ADDR: 'http://v', VAULT_TOKEN: 'x' },
    'VAULT_ADDR',
  ],
] as const)('%s is refused, naming the variable', (_name, env, variable) => {
  const problems = (() => {
    try {
      loadConfig(env);
    } catch (err) {
      return (err as ConfigError).problems;
    }
    return [];
  })();
  expect(problems.map((problem) => problem.env)).toContain(variable);
});
