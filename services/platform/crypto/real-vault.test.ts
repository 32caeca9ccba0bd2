// What the product and the fake of its other tests assume of Vault, against the recorded answers of a real server.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Json } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { keyEncryptionKeyOf, loadConfig } from '../config/load.ts';
import { keyServiceOf } from './key-services.ts';
import { startFakeVault } from './key-services-harness.ts';
import { askVault, startRealVault } from './real-vault-harness.ts';
import { withUnwrappedKeys } from './unwrap-keys.ts';

const HOW_TO = resolve(import.meta.dirname, '../../../docs/how-to/rotate-the-key-encryption-key.md');
/** The policies that the documentation tells operators to write: of each process, and of `keys wrap`. */
const policies = [...readFileSync(HOW_TO, 'utf8').matchAll(/```hcl\n([^`]*)```/g)].map(([, text]) => text as string);
const AT_ONCE = [0, 0];
/** Of the server that answers nothing but its absence. */
const NOWHERE = 'http://127.0.0.1:1';

type Env = Record<string, string>;

describe('the transit engine of a real Vault', () => {
  let [processToken, wrapToken] = ['', ''];

  const envOf = (token: string, more: Env = {}): Env => ({
    KEY_ENCRYPTION_SERVICE: 'vault',
    VAULT_ADDR: vault.url,
    VAULT_TOKEN: token,
    ...more,
  });
  const wrapNew = (more: Env = {}, token = wrapToken): Promise<string> =>
    keyServiceOf(loadConfig(envOf(token, more)).wrappedKeys)!.wrapNew();
  /** The key that a process has after its start. */
  async function keyOf(wrapped: string, more: Env = {}, token = processToken, pausesMs = AT_ONCE): Promise<string> {
    const config = loadConfig({ ...envOf(token, more), KEY_ENCRYPTION_KEY_WRAPPED: wrapped });
    return keyEncryptionKeyOf(await withUnwrappedKeys(config, pausesMs), 'unused').toString('base64');
  }
  async function createToken(name: string, policy: string): Promise<string> {
    await vault.admin('PUT', `sys/policies/acl/${name}`, { policy });
    const made = await vault.admin('POST', 'auth/token/create', { policies: [name], no_default_policy: true });
    return made.auth.client_token;
  }

  const vault = opened(startRealVault);
  const fake = opened(() => startFakeVault('token'));
  beforeAll(async () => {
    await vault.admin('POST', 'sys/mounts/transit', { type: 'transit' });
    await vault.admin('POST', 'transit/keys/sallyport', {});
    expect(policies).toHaveLength(2);
    processToken = await createToken('sallyport', policies[0] as string);
    wrapToken = await createToken('sallyport-wrap', policies[1] as string);
  });

  test('wraps and decrypts with tokens that have only the documented policies, each unable to do the other', async () => {
    const [one, two] = [await wrapNew(), await wrapNew()];
    const key = await keyOf(one);
    expect(Buffer.from(key, 'base64')).toHaveLength(32);
    expect(await keyOf(one)).toBe(key);
    expect(await keyOf(two)).not.toBe(key);
    await expect(wrapNew({}, processToken)).rejects.toThrow(/^Vault answered 403: .*policies lack the path/);
    await expect(keyOf(one, {}, wrapToken)).rejects.toThrow('Vault answered 403');
  });

  test('decrypts a key of an old version of the transit key until that version is disallowed; rewrapped, also after', async () => {
    const wrapped = await wrapNew();
    const key = await keyOf(wrapped);
    await vault.admin('POST', 'transit/keys/sallyport/rotate', {});
    expect(await keyOf(wrapped)).toBe(key);
    expect(await wrapNew()).toMatch(/^vault:v2:/);
    const { data } = await vault.admin('POST', 'transit/rewrap/sallyport', { ciphertext: wrapped });
    expect(data.ciphertext).toMatch(/^vault:v2:/);
    await vault.admin('POST', 'transit/keys/sallyport/config', { min_decryption_version: 2 });
    await expect(keyOf(wrapped)).rejects.toThrow(
      /^KEY_ENCRYPTION_KEY_WRAPPED: was not decrypted: Vault answered 400: .*version that it may decrypt/,
    );
    expect(await keyOf(data.ciphertext)).toBe(key);
    await vault.admin('POST', 'transit/keys/sallyport/config', { min_decryption_version: 1 });
  });

  test('refuses a wrong token, key, mount or text at once, says what to check and shows no value', async () => {
    const wrapped = await wrapNew();
    const asRoot = (more: Env): Promise<string> => keyOf(wrapped, more, vault.rootToken);
    const refused: readonly [() => Promise<string>, RegExp][] = [
      [() => keyOf(wrapped, {}, 'wrong-token'), /403: the token is invalid/],
      [() => asRoot({ VAULT_TRANSIT_KEY: 'other' }), /400: there is no such transit key/],
      [() => asRoot({ VAULT_TRANSIT_MOUNT: 'nowhere' }), /404: .*VAULT_TRANSIT_MOUNT/],
      [() => keyOf(`${wrapped.slice(0, -6)}AAAAAA`), /400: .*not encrypted under/],
      [() => wrapNew({ VAULT_TRANSIT_KEY: 'other' }, vault.rootToken), /400: there is no such transit key/],
    ];
    for (const [work, message] of refused) {
      const err = await work().catch((thrown: Error) => thrown);
      expect(err).toMatchObject({ message: expect.stringMatching(message) });
      expect((err as Error).message).not.toMatch(/wrong-token|vault:v/);
    }
  });

  test('is found at a longer path, written with or without slashes around it', async () => {
    await vault.admin('POST', 'sys/mounts/teams/auth/transit', { type: 'transit' });
    await vault.admin('POST', 'teams/auth/transit/keys/k', {});
    for (const mount of ['teams/auth/transit', '/teams/auth/transit/']) {
      const more = { VAULT_TRANSIT_MOUNT: mount, VAULT_TRANSIT_KEY: 'k' };
      const wrapped = await wrapNew(more, vault.rootToken);
      expect(Buffer.from(await keyOf(wrapped, more, vault.rootToken), 'base64')).toHaveLength(32);
    }
  });

  const SEALED_BOX = Buffer.alloc(60).toString('base64');
  test.each<readonly [string, { method?: string; path: string; body?: Json }]>([
    ['a wrapped key', { path: 'transit/datakey/wrapped/sallyport', body: { bits: 256 } }],
    ['a text without prefix', { path: 'transit/decrypt/sallyport', body: { ciphertext: 'not wrapped' } }],
    ['a short text', { path: 'transit/decrypt/sallyport', body: { ciphertext: 'vault:v1:AAAA' } }],
    ['a forged text', { path: 'transit/decrypt/sallyport', body: { ciphertext: `vault:v1:${SEALED_BOX}` } }],
    ['a version to come', { path: 'transit/decrypt/sallyport', body: { ciphertext: `vault:v9:${SEALED_BOX}` } }],
    ['no text', { path: 'transit/decrypt/sallyport', body: {} }],
    ['an unknown key', { path: 'transit/decrypt/other', body: { ciphertext: `vault:v1:${SEALED_BOX}` } }],
    ['an unknown mount', { path: 'nowhere/decrypt/sallyport', body: {} }],
    ['another method', { method: 'GET', path: 'transit/decrypt/sallyport' }],
    ['a doubled slash', { path: 'transit//decrypt/sallyport', body: {} }],
  ])('answers %s as the fake of the other tests does', async (_name, request) => {
    const real = await askVault(vault.url, vault.rootToken, request);
    expect(shapeOf(await askVault(fake.url, 'token', request))).toEqual(shapeOf(real));
  });

  test('answers a decryption and a wrong token as the fake does', async () => {
    const shapes = await Promise.all(
      [
        { url: vault.url, token: vault.rootToken },
        { url: fake.url, token: 'token' },
      ].map(async ({ url, token }) => {
        const wrap = { path: 'transit/datakey/wrapped/sallyport', body: { bits: 256 } };
        const { body } = await askVault(url, token, wrap);
        const decrypt = { path: 'transit/decrypt/sallyport', body: { ciphertext: body.data.ciphertext } };
        const decrypted = await askVault(url, token, decrypt);
        expect(Buffer.from(decrypted.body.data.plaintext, 'base64')).toHaveLength(32);
        return [shapeOf(decrypted), shapeOf(await askVault(url, 'wrong', decrypt))];
      }),
    );
    expect(shapes[1]).toEqual(shapes[0]);
  });

  test('is an outage while it is sealed, and a start that waits goes on once it is unsealed', async () => {
    const wrapped = await wrapNew();
    const key = await keyOf(wrapped);
    await vault.admin('PUT', 'sys/seal');
    await expect(keyOf(wrapped)).rejects.toMatchObject({
      name: 'KeyServiceError',
      message: 'Vault answered 503: it is sealed, or has no active node',
    });
    await expect(wrapNew()).rejects.toThrow('it is sealed');
    const started = keyOf(wrapped, {}, processToken, Array(50).fill(100));
    await vault.admin('PUT', 'sys/unseal', { key: vault.unsealKey });
    expect(await started).toBe(key);
    await expect(keyOf(wrapped, { VAULT_ADDR: NOWHERE })).rejects.toThrow('Vault does not answer');
  });

  test('was asked all that the record contains', () => expect(vault.unasked()).toEqual([]));
});

/** The status, the texts of errors, and the names and types of all else. */
function shapeOf({ status, body }: { readonly status: number; readonly body: Json }): Json {
  const typed = (value: Json): Json =>
    value !== null && typeof value === 'object'
      ? Object.fromEntries(Object.entries(value).map(([name, member]) => [name, typed(member)]))
      : value === null
        ? null
        : typeof value;
  return { status, ...typed({ ...body, errors: null }), errors: body.errors };
}
