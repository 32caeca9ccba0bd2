// For tests only: a copy of the API, and users and clients that create and use API keys there.
import { expect } from 'vitest';
import { newPerson, type Person } from '#tools/testing/flows/people.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { type ClientCredentials, type Json, type Received, type Sent, send } from '#tools/testing/http-client.ts';

export type ApiKeyHarness = ApiHarness & {
  readonly api: ApiCopy;
  readonly admin: Person;
  /** A client that may read signing keys and token statistics. */
  readonly reader: ClientCredentials;
  /** A request. @param sent `copy`: another copy than the first */
  call(method: string, path: string, sent?: Sent & { readonly copy?: ApiCopy }): Promise<Received>;
  newUser(...roles: string[]): Promise<Person>;
  /** A key of the caller, without permissions unless given. */
  makeKey(by: Sent, json?: object): Promise<{ readonly id: string; readonly secret: string }>;
  /** A request that needs `keys:read`, made with this key. */
  listWith(secret: string, copy?: ApiCopy): Promise<Received>;
  /** A user's keys, as listed to that user. */
  own(person: Person): Promise<Json[]>;
};

/** One copy of the API: one harness per test file. */
export async function openApiKeyHarness(env: Readonly<Record<string, string>> = {}): Promise<ApiKeyHarness> {
  const harness = await openApiHarness();
  const api = await harness.startCopy({ hashes: false, env });
  const reader = await harness.newClient(['keys:read', 'tokens:read']);
  const newUser: ApiKeyHarness['newUser'] = (...roles) => newPerson(api, roles);
  const call: ApiKeyHarness['call'] = (method, path, { copy = api, ...sent } = {}) =>
    send(copy.url, method, path, sent);
  return {
    ...harness,
    api,
    admin: await newUser('admin'),
    reader,
    call,
    newUser,
    makeKey: async (by, json = {}) => {
      const { status, body } = await call('POST', '/v1/api-keys', { ...by, json: { name: 'test', ...json } });
      expect(status, JSON.stringify(body)).toBe(201);
      return { id: body.api_key.api_key_id, secret: body.secret };
    },
    listWith: (secret, copy = api) => call('GET', '/v1/keys', { bearer: secret, copy }),
    own: async ({ bearer }) => (await call('GET', '/v1/api-keys', { bearer })).body.api_keys,
  };
}
