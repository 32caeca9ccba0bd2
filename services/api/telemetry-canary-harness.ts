// For tests only: every secret that the server creates and shows once, from successful calls.

import { Redis } from 'ioredis';
import { expect } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { codeOf } from '#tools/testing/fakes/totp.ts';
import { newEmail, newPassword, signIn, signUp, type TestUser } from '#tools/testing/flows/flows.ts';
import { openBrowser } from '#tools/testing/flows/oauth-browser.ts';
import { challengeOf, LOOPBACK_REDIRECT, newVerifier } from '#tools/testing/harness/oauth.ts';
import { queryRows } from '#tools/testing/harness/ports.ts';
import type { Product } from '#tools/testing/harness/product.ts';
import { type Json, type Sent, send } from '#tools/testing/http-client.ts';
import { mailsIn } from '#tools/testing/mail-folder.ts';
import { mailFolderOf } from '../platform/mail/file-outbox.ts';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const REQUEST_URI = 'urn:ietf:params:oauth:request_uri:';

/**
 * Creates and uses one of each, with users of its own.
 * @param origin that the API uses for itself
 * @returns each secret's name and text
 */
export async function makeServerSecrets(product: Product, origin: string): Promise<Map<string, string>> {
  const { api, credentials } = product;
  const made = new Map<string, string>();
  const keep = (kind: string, value: unknown): string => {
    expect(value, kind).toMatch(/^.{8,}$/);
    made.set(kind, value as string);
    return value as string;
  };
  const ask = async (status: number, method: string, path: string, sent: Sent): Promise<Json> => {
    const answer = await send(api, method, path, sent);
    expect(answer.status, `${method} ${path}: ${answer.text}`).toBe(status);
    return answer.body;
  };
  const as = ({ cookie }: TestUser, json: object): Sent => ({ cookie, headers: { origin }, json });

  const email = newEmail();
  const person = await signUp(product, email, newPassword());
  await keepApiKeys();
  await keepMailedCodes();
  const client = await keepClientSecrets();
  await keepGrants();
  await keepFactors();
  return made;

  async function keepApiKeys(): Promise<void> {
    const first = await ask(201, 'POST', '/v1/api-keys', as(person, { name: 'canary' }));
    const secret = keep('API key', first.secret);
    await send(api, 'GET', '/v1/keys', { bearer: secret });
    await send(api, 'GET', '/v1/keys', { headers: { 'x-api-key': secret } });
    const { api_key_id: id } = first.api_key;
    const rotated = await ask(200, 'POST', `/v1/api-keys/${id}/rotate`, as(person, {}));
    await send(api, 'GET', '/v1/keys', { bearer: keep('rotated API key', rotated.secret) });
  }

  async function keepMailedCodes(): Promise<void> {
    await ask(200, 'POST', '/api/auth/request-password-reset', { json: { email } });
    // One to verify the address, one to choose a new password.
    const mails = await eventually('both mails', async () => {
      const found = (await mailsIn(mailFolderOf(product.dataDir))).filter(({ to, code }) => to === email && code);
      return found.length >= 2 && found;
    });
    for (const [at, { code }] of mails.entries()) keep(`mailed code ${at}`, code);
    const { page = '', code } = mails.at(-1)!;
    await send(api, 'GET', new URL(page).pathname, {});
    await send(api, 'POST', '/api/auth/verify-email', { json: { code } });
  }

  async function keepClientSecrets(): Promise<Json> {
    const admin = await signIn(product, credentials.admin);
    const reason = 'canary';
    const created = await ask(
      201,
      'POST',
      '/v1/admin/clients',
      as(admin, {
        name: 'Canary',
        grant_types: ['authorization_code', 'client_credentials', 'refresh_token', DEVICE],
        scopes: ['openid', 'offline_access'],
        redirect_uris: [LOOPBACK_REDIRECT],
        audiences: ['*'],
        reason,
      }),
    );
    keep('made client secret', created.client_secret);
    const path = `/v1/admin/clients/${created.client_id}/rotate-secret`;
    const rotated = await ask(200, 'POST', path, as(admin, { reason }));
    keep('rotated client secret', rotated.client_secret);
    return { client_id: created.client_id, client_secret: rotated.client_secret };
  }

  async function keepGrants(): Promise<void> {
    const browser = openBrowser(api, origin);
    for (const pair of person.cookie.split('; ')) {
      const equals = pair.indexOf('=');
      browser.cookies.set(pair.slice(0, equals), pair.slice(equals + 1));
    }
    const verifier = keep('code verifier', newVerifier());
    const pushed = await ask(201, 'POST', '/oauth2/par', {
      basic: client,
      form: {
        redirect_uri: LOOPBACK_REDIRECT,
        response_type: 'code',
        scope: 'openid offline_access',
        code_challenge: challengeOf(verifier),
        code_challenge_method: 'S256',
      },
    });
    keep('request_uri', pushed.request_uri.slice(REQUEST_URI.length));
    const query = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri });
    let shown = await browser.open(`/oauth2/authorize?${query}`);
    if (shown.leftFor === null)
      shown = await browser.submit(shown, { decision: 'allow', scope: ['openid', 'offline_access'] });
    const code = keep('authorization code', shown.leftFor?.searchParams.get('code'));
    const exchange = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: LOOPBACK_REDIRECT,
      code_verifier: verifier,
    };
    const granted = await ask(200, 'POST', '/oauth2/token', { basic: client, form: exchange });
    keep('granted access token', granted.access_token);
    keep('granted refresh token', granted.refresh_token);
    keep('ID token', granted.id_token);
    // Used twice: a refusal, and the revocation of its tokens.
    await send(api, 'POST', '/oauth2/token', { basic: client, form: exchange });

    const device = await ask(200, 'POST', '/oauth2/device_authorization', { basic: client, form: { scope: 'openid' } });
    keep('device code', device.device_code);
    keep('user code', device.user_code);
    const poll = { grant_type: DEVICE, device_code: device.device_code };
    await send(api, 'POST', '/oauth2/token', { basic: client, form: poll });
    await browser.submit(await browser.open(`/device?user_code=${device.user_code}`), { decision: 'allow' });
    const polled = await eventually('the device to be let in', async () => {
      const answer = await send(api, 'POST', '/oauth2/token', { basic: client, form: poll });
      return answer.status === 200 && answer.body;
    });
    keep('access token of a device', polled.access_token);
  }

  async function keepFactors(): Promise<void> {
    const fresh = await signIn(product, person);
    const enrolment = await ask(200, 'POST', '/api/auth/two-factor/enable', as(fresh, { password: person.password }));
    keep('TOTP seed', new URL(enrolment.totp_uri).searchParams.get('secret'));
    for (const [at, code] of enrolment.recovery_codes.entries()) keep(`recovery code ${at}`, code);
    const confirming = as(fresh, { code: codeOf(enrolment.totp_uri) });
    await ask(200, 'POST', '/api/auth/two-factor/confirm', confirming);
    // Refused temporarily on a busy machine: retried, as its Retry-After says.
    const login = await eventually('the sign-in to be judged', async () => {
      const answer = await send(api, 'POST', '/api/auth/signin', { json: { email, password: person.password } });
      return answer.status !== 503 && answer;
    });
    expect(login.body.challenge, login.text).toBeDefined();
    const challenge = keep('login challenge', login.body.challenge);
    const [recovery_code] = enrolment.recovery_codes;
    await ask(200, 'POST', '/api/auth/second-factor', { json: { challenge, recovery_code } });
  }
}

/**
 * Encrypts and decrypts a value in every way that succeeds or fails, rotates its keys by the worker's job, and destroys them.
 * @param by a caller with every permission
 */
export async function useHealthData({ api }: Product, by: Sent, value: string): Promise<void> {
  const call = async (path: string, json: unknown, status: number): Promise<Json> => {
    const answer = await send(api, 'POST', `/v1/privacy/phi${path}`, { ...by, json: json as object });
    expect(answer.status, `${path}: ${answer.text}`).toBe(status);
    return answer.body;
  };
  const [subject_id, purpose] = ['canary', 'treatment'];
  const officer = async (method: string, path: string, json?: object): Promise<Json> => {
    const answer = await send(api, method, `/v1/privacy${path}`, json === undefined ? by : { ...by, json });
    expect(answer.status, `${method} ${path}: ${answer.text}`).toBeLessThan(300);
    return answer.body;
  };
  await call('/encrypt', { subject_id, purpose, data: value }, 201);
  await officer('PUT', '/policies/admin/treatment', { fields: ['*'], reason: 'canary' });
  for (const level of ['standard', 'high']) {
    const data = { note: value, [value]: [value] };
    const { encrypted } = await call('/encrypt', { subject_id, purpose, level, data }, 201);
    expect((await call('/decrypt', { purpose, encrypted }, 200)).data).toEqual(data);
    await call('/decrypt', { purpose: 'payment', encrypted }, 403);
    await call('/decrypt', { purpose, encrypted: { ...encrypted, tag: 'A'.repeat(22) } }, 400);
    await call('/decrypt', { purpose, encrypted: { ...encrypted, note: value } }, 400);
  }
  await call('/encrypt', { subject_id, purpose, level: value, data: value }, 400);
  await call('/encrypt', { subject_id, purpose: value, data: value }, 400);
  await call('/encrypt', { subject_id: `${value} ${value}`, purpose, data: value }, 400);
  await call('/encrypt', { subject_id, purpose, data: value, [value]: value }, 400);
  await call('/encrypt', { subject_id, purpose, data: value.repeat(3_000) }, 413);
  await call('/decrypt', { purpose, encrypted: value }, 400);
  const { encrypted } = await call('/encrypt', { subject_id, purpose, data: value }, 201);
  const { rotation_id } = await call('/rotations', { reason: 'canary' }, 202);
  await eventually('the rotation', async () => {
    const { body } = await send(api, 'GET', `/v1/privacy/phi/rotations/${rotation_id}`, by);
    return body.state === 'done';
  });
  expect((await call('/decrypt', { purpose, encrypted }, 200)).data).toBe(value);
  await call('/accesses', { subject_id, purpose, action: 'view', reference: `${value} ${value}` }, 400);
  const of = `/subjects/${subject_id}`;
  const words = { recipient: value, description: `${value} ${value}` };
  await officer('POST', `${of}/disclosures`, { purpose: 'legal', disclosed_at: new Date().toISOString(), ...words });
  expect((await officer('GET', `${of}/disclosures`)).disclosures).toMatchObject([words]);
  const { request_id } = await officer('POST', `${of}/export`, { reason: 'canary' });
  await eventually('the export', async () => (await officer('GET', `/requests/${request_id}`)).state === 'done');
  expect((await officer('GET', `/requests/${request_id}/export`)).export.disclosures).toMatchObject([words]);
  await call(`/subjects/${subject_id}/shred`, { reason: 'canary' }, 200);
  await call('/decrypt', { purpose, encrypted }, 410);
}

/** The encodings in which a text may appear elsewhere. */
export const spellings = (text: string): string[] => [
  ...new Set([
    text,
    encodeURIComponent(text),
    Buffer.from(text).toString('base64').replace(/=+$/, '').slice(0, -1),
    Buffer.from(text).toString('hex'),
    JSON.stringify(text).slice(1, -1),
  ]),
];

/** Every key of a Redis database with its value. */
export async function redisContents(url: string): Promise<string> {
  const redis = new Redis(url);
  const parts: string[] = [];
  for (const key of await redis.keys('*')) {
    const type = await redis.type(key);
    parts.push(key);
    // It expired between the listing and this read.
    if (type === 'none') continue;
    if (type === 'string') parts.push((await redis.getBuffer(key))?.toString('latin1') ?? '');
    else if (type === 'stream') parts.push(JSON.stringify(await redis.xrange(key, '-', '+')));
    else if (type === 'hash') parts.push(JSON.stringify(await redis.hgetall(key)));
    else if (type === 'set') parts.push(JSON.stringify(await redis.smembers(key)));
    else if (type === 'zset') parts.push(JSON.stringify(await redis.zrange(key, '0', '-1')));
    else if (type === 'list') parts.push(JSON.stringify(await redis.lrange(key, 0, -1)));
    else throw new Error(`a type this test does not read: ${type}`);
  }
  await redis.quit();
  return parts.join('\n');
}

/** Every table's rows as text. */
export async function databaseContents(url: string): Promise<Map<string, string>> {
  const tables = await queryRows(url)<{ name: string }>`SELECT tablename AS name FROM pg_tables
    WHERE schemaname = 'public'`;
  const contents = new Map<string, string>();
  for (const { name } of tables) {
    const found = await queryRows(url)<{ row: string }>(`SELECT t::text AS row FROM "${name}" t`);
    contents.set(name, found.map(({ row }) => row).join('\n'));
  }
  return contents;
}
