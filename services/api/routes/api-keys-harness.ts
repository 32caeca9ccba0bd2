// For tests only: a copy of the API, and users and clients that create and use API keys there.
import { expect } from 'vitest';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import { type ApiCopy, openApiHarness } from '#tools/testing/harness/api.ts';
import { type Json, type Sent, send } from '#tools/testing/http-client.ts';

export type ApiKeyHarness = Awaited<ReturnType<typeof openApiKeyHarness>>;

/** One copy of the API: one harness per test file. */
export async function openApiKeyHarness(env: Readonly<Record<string, string>> = {}) {
  const harness = await openApiHarness();
  const api = await harness.startCopy({ hashes: false, env });
  /** May read signing keys and token statistics. */
  const reader = await harness.newClient(['keys:read', 'tokens:read']);
  const newUser = (...roles: string[]) => newPerson(api, roles);
  /** A request. @param sent `copy`: another copy than the first */
  const call = (method: string, path: string, { copy = api, ...sent }: Sent & { readonly copy?: ApiCopy } = {}) =>
    send(copy.url, method, path, sent);
  return {
    ...harness,
    api,
    admin: await newUser('admin'),
    reader,
    call,
    newUser,
    /** A key of the caller, without permissions unless given. */
    makeKey: async (by: Sent, json: object = {}): Promise<{ readonly id: string; readonly secret: string }> => {
      const { status, body } = await call('POST', '/v1/api-keys', { ...by, json: { name: 'test', ...json } });
      expect(status, JSON.stringify(body)).toBe(201);
      return { id: body.api_key.api_key_id, secret: body.secret };
    },
    /** A request that needs `keys:read`, made with this key. */
    listWith: (secret: string, copy = api) => call('GET', '/v1/keys', { bearer: secret, copy }),
    /** A user's keys, as listed to that user. */
    own: async ({ bearer }: Person): Promise<Json[]> => (await call('GET', '/v1/api-keys', { bearer })).body.api_keys,
  };
}
