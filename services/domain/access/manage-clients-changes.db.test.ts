import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientCaller, testCaller } from '#testing/harness/ports.ts';
import type { Caller } from '../ports.ts';
import { readClient, rotateClientSecret, updateClient } from './manage-clients.ts';
import { CALLBACK, type ClientHarness, openClientHarness } from './manage-clients-harness.ts';

let harness: ClientHarness;
beforeAll(async () => {
  harness = await openClientHarness();
});
afterAll(() => harness?.end());

const reason = 'test';
/** A caller with only these permissions. */
const managing = (...permissions: string[]): Caller => clientCaller('manager', permissions);

describe('changing a client', () => {
  test('keeps every property that the change does not name', async () => {
    const { client_id: clientId, client_secret, ...before } = await harness.newClient({ scopes: ['openid'] });
    const changed = await updateClient(
      harness,
      { clientId, changes: { name: 'New', dpopBound: true }, reason },
      testCaller,
    );
    expect(changed).toEqual({
      ...before,
      client_id: clientId,
      name: 'New',
      dpop_bound_access_tokens: true,
      updated_at: changed.updated_at,
    });
    expect(harness.access.authenticateClient(clientId, client_secret ?? '')).toMatchObject({ dpopBound: true });
  });

  test('gives the client no permission that the caller lacks', async () => {
    const { client_id: clientId } = await harness.newClient();
    const change = { clientId, changes: { credentialScopes: ['keys:manage'] }, reason };
    await expect(updateClient(harness, change, managing('keys:read'))).rejects.toMatchObject({
      code: 'rights_exceeded',
    });
    expect((await readClient(harness, clientId)).credential_scopes).toEqual([]);
  });

  test.each([
    ['a scope', { scopes: ['openid', 'email'] }],
    ['a redirect address', { redirectUris: [CALLBACK, 'https://app.example.test/more'] }],
  ])('by adding %s ends the consents, so that users are asked again; only removing keeps them', async (_what, more) => {
    const { client_id: clientId } = await harness.newClient({ scopes: ['openid', 'profile'] });
    await harness.consent(clientId);
    const change = (changes: object) => updateClient(harness, { clientId, changes, reason }, testCaller);
    await change({ name: 'Renamed' });
    await change({ scopes: ['openid'], redirectUris: [CALLBACK] });
    expect(await harness.consentsTo(clientId)).toBe(1);
    await change(more);
    expect(await harness.consentsTo(clientId)).toBe(0);
  });

  test('that users consented to needs the permissions they allowed; without a consent it does not', async () => {
    const { client_id: clientId } = await harness.newClient({ scopes: ['openid', 'keys:read'] });
    const manager = managing('clients:manage');
    const redirectTo = (uri: string) =>
      updateClient(harness, { clientId, changes: { redirectUris: [uri] }, reason }, manager);
    await redirectTo('https://one.example.test/');
    await harness.consent(clientId);
    await expect(redirectTo('https://two.example.test/')).rejects.toMatchObject({ code: 'rights_exceeded' });
    await expect(rotateClientSecret(harness, { clientId, reason }, manager)).rejects.toMatchObject({
      code: 'rights_exceeded',
    });
    expect(await harness.consentsTo(clientId)).toBe(1);
    expect((await readClient(harness, clientId)).redirect_uris).toEqual(['https://one.example.test/']);
  });

  test('that skips consent needs the permissions its users’ tokens can have', async () => {
    const { client_id: clientId } = await harness.newClient({ scopes: ['openid', 'keys:read'] });
    await harness.raw('UPDATE oauth_clients SET "skipConsent" = true WHERE "clientId" = $1', [clientId]);
    const input = { clientId, reason };
    await expect(rotateClientSecret(harness, input, managing())).rejects.toMatchObject({ code: 'rights_exceeded' });
    expect((await rotateClientSecret(harness, input, managing('keys:read'))).client_secret).not.toBeNull();
  });
});

describe('rotating a secret', () => {
  test('keeps the previous secret valid for a day by default, and the response says until when', async () => {
    const { client_id: clientId, client_secret: first } = await harness.newClient();
    const rotated = await rotateClientSecret(harness, { clientId, reason }, testCaller);
    const until = Date.parse(rotated.previous_secret_until ?? '');
    expect(until - Date.parse(rotated.updated_at ?? '')).toBe(86_400_000);
    for (const secret of [first, rotated.client_secret])
      expect(harness.access.authenticateClient(clientId, secret ?? '')?.clientId).toBe(clientId);
    const again = await rotateClientSecret(harness, { clientId, overlapSeconds: 0, reason }, testCaller);
    expect(again.previous_secret_until).toBeNull();
    for (const secret of [first, rotated.client_secret])
      expect(harness.access.authenticateClient(clientId, secret ?? '')).toBeNull();
  });

  test('is refused for a public client: an app cannot keep a secret', async () => {
    const { client_id: clientId, client_secret } = await harness.newClient({ authMethod: 'none' });
    expect(client_secret).toBeNull();
    const rotation = rotateClientSecret(harness, { clientId, reason }, testCaller);
    await expect(rotation).rejects.toMatchObject({ code: 'client_without_secret' });
    expect(await readClient(harness, clientId)).toMatchObject({ auth_method: 'none' });
  });
});
