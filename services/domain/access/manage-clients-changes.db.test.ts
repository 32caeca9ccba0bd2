import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { clientCaller, testCaller } from '../../platform/testing/ports.ts';
import { CALLBACK, type ClientWorld, openClientWorld } from '../../platform/testing/worlds/client-world.ts';
import type { Caller } from '../ports.ts';
import { readClient, rotateClientSecret, updateClient } from './manage-clients.ts';

let world: ClientWorld;
beforeAll(async () => {
  world = await openClientWorld();
});
afterAll(() => world?.end());

const reason = 'test';
/** Somebody who may do this, and nothing else. */
const managing = (...permissions: string[]): Caller => clientCaller('manager', permissions);

describe('a change', () => {
  test('leaves what it does not name', async () => {
    const { client_id: clientId, client_secret, ...before } = await world.newClient({ scopes: ['openid'] });
    const changed = await updateClient(
      world,
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
    expect(world.access.authenticateClient(clientId, client_secret ?? '')).toMatchObject({ dpopBound: true });
  });

  test('gives a client no right that whoever makes it lacks', async () => {
    const { client_id: clientId } = await world.newClient();
    const change = { clientId, changes: { credentialScopes: ['keys:manage'] }, reason };
    await expect(updateClient(world, change, managing('keys:read'))).rejects.toMatchObject({ code: 'rights_exceeded' });
    expect((await readClient(world, clientId)).credential_scopes).toEqual([]);
  });

  test.each([
    ['a scope', { scopes: ['openid', 'email'] }],
    ['a redirect address', { redirectUris: [CALLBACK, 'https://app.example.test/more'] }],
  ])('that adds %s has people asked again; one that only takes away does not', async (_what, more) => {
    const { client_id: clientId } = await world.newClient({ scopes: ['openid', 'profile'] });
    await world.agree(clientId);
    const change = (changes: object) => updateClient(world, { clientId, changes, reason }, testCaller);
    await change({ name: 'Renamed' });
    await change({ scopes: ['openid'], redirectUris: [CALLBACK] });
    expect(await world.agreementsTo(clientId)).toBe(1);
    await change(more);
    expect(await world.agreementsTo(clientId)).toBe(0);
  });

  test('of what people agreed to is for those who have the rights they gave; where nobody did, for everybody', async () => {
    const { client_id: clientId } = await world.newClient({ scopes: ['openid', 'keys:read'] });
    const manager = managing('clients:manage');
    const redirectTo = (uri: string) =>
      updateClient(world, { clientId, changes: { redirectUris: [uri] }, reason }, manager);
    await redirectTo('https://one.example.test/');
    await world.agree(clientId);
    await expect(redirectTo('https://two.example.test/')).rejects.toMatchObject({ code: 'rights_exceeded' });
    await expect(rotateClientSecret(world, { clientId, reason }, manager)).rejects.toMatchObject({
      code: 'rights_exceeded',
    });
    expect(await world.agreementsTo(clientId)).toBe(1);
    expect((await readClient(world, clientId)).redirect_uris).toEqual(['https://one.example.test/']);
  });

  test('of a client whose users are never asked needs the rights of their logins', async () => {
    const { client_id: clientId } = await world.newClient({ scopes: ['openid', 'keys:read'] });
    await world.raw('UPDATE oauth_clients SET "skipConsent" = true WHERE "clientId" = $1', [clientId]);
    const input = { clientId, reason };
    await expect(rotateClientSecret(world, input, managing())).rejects.toMatchObject({ code: 'rights_exceeded' });
    expect((await rotateClientSecret(world, input, managing('keys:read'))).client_secret).not.toBeNull();
  });
});

describe('a new secret', () => {
  test('leaves the one before good for a day unless said, and the answer says until when', async () => {
    const { client_id: clientId, client_secret: first } = await world.newClient();
    const rotated = await rotateClientSecret(world, { clientId, reason }, testCaller);
    const until = Date.parse(rotated.previous_secret_until ?? '');
    expect(until - Date.parse(rotated.updated_at ?? '')).toBe(86_400_000);
    for (const secret of [first, rotated.client_secret])
      expect(world.access.authenticateClient(clientId, secret ?? '')?.clientId).toBe(clientId);
    const again = await rotateClientSecret(world, { clientId, overlapSeconds: 0, reason }, testCaller);
    expect(again.previous_secret_until).toBeNull();
    for (const secret of [first, rotated.client_secret])
      expect(world.access.authenticateClient(clientId, secret ?? '')).toBeNull();
  });

  test('is for no public client: a secret in an app is none', async () => {
    const { client_id: clientId, client_secret } = await world.newClient({ authMethod: 'none' });
    expect(client_secret).toBeNull();
    const rotation = rotateClientSecret(world, { clientId, reason }, testCaller);
    await expect(rotation).rejects.toMatchObject({ code: 'client_without_secret' });
    expect(await readClient(world, clientId)).toMatchObject({ auth_method: 'none' });
  });
});
