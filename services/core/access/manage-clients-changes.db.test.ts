import { describe, expect, test } from 'vitest';
import { newAssertionMaker } from '#tools/testing/fakes/assertions.ts';
import { CERTIFICATE, derOf } from '#tools/testing/fakes/client-certificates.ts';
import { blackPng, logoOf } from '#tools/testing/fakes/png.ts';
import { clientCaller, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import type { Caller } from '../ports.ts';
import { readClient, rotateClientSecret, updateClient } from './manage-clients.ts';
import { CALLBACK, openClientHarness } from './manage-clients-harness.ts';
import { readClientLogo } from './read-client-logo.ts';

const harness = opened(openClientHarness);

const reason = 'test';
/** A caller with only these permissions. */
const managing = (...permissions: string[]): Caller => clientCaller('manager', permissions);

describe('changing a client', () => {
  test('keeps every property that the change does not name', async () => {
    const { client_id: clientId, client_secret, ...before } = await harness.newClient({ scopes: ['openid'] });
    const changed = await updateClient(
      harness,
      { client_id: clientId, name: 'New', dpop_bound_access_tokens: true, reason },
      testCaller,
    );
    expect(changed).toEqual({
      ...before,
      client_id: clientId,
      name: 'New',
      dpop_bound_access_tokens: true,
      updated_at: changed.updated_at,
    });
    expect(harness.access.authenticateClient(clientId, client_secret ?? '')).toMatchObject({
      dpop_bound_access_tokens: true,
    });
  });

  test('gives the client no permission that the caller lacks', async () => {
    const { client_id: clientId } = await harness.newClient();
    const change = { client_id: clientId, credential_scopes: ['keys:manage'], reason };
    await expect(updateClient(harness, change, managing('keys:read'))).rejects.toMatchObject({
      code: 'rights_exceeded',
    });
    expect((await readClient(harness, { client_id: clientId })).credential_scopes).toEqual([]);
  });

  test.each([
    ['a scope', { scopes: ['openid', 'email'] }],
    ['a redirect address', { redirect_uris: [CALLBACK, 'https://app.example.test/more'] }],
  ])('by adding %s ends the consents, so that users are asked again; only removing keeps them', async (_what, more) => {
    const { client_id: clientId } = await harness.newClient({ scopes: ['openid', 'profile'] });
    await harness.consent(clientId);
    const change = (changes: object) => updateClient(harness, { client_id: clientId, ...changes, reason }, testCaller);
    await change({ name: 'Renamed' });
    await change({ scopes: ['openid'], redirect_uris: [CALLBACK] });
    expect(await harness.consentsTo(clientId)).toBe(1);
    await change(more);
    expect(await harness.consentsTo(clientId)).toBe(0);
  });

  test('that users consented to needs the permissions they allowed; without a consent it does not', async () => {
    const { client_id: clientId } = await harness.newClient({ scopes: ['openid', 'keys:read'] });
    const manager = managing('clients:manage');
    const redirectTo = (uri: string) =>
      updateClient(harness, { client_id: clientId, redirect_uris: [uri], reason }, manager);
    await redirectTo('https://one.example.test/');
    await harness.consent(clientId);
    await expect(redirectTo('https://two.example.test/')).rejects.toMatchObject({ code: 'rights_exceeded' });
    await expect(rotateClientSecret(harness, { client_id: clientId, reason }, manager)).rejects.toMatchObject({
      code: 'rights_exceeded',
    });
    expect(await harness.consentsTo(clientId)).toBe(1);
    expect((await readClient(harness, { client_id: clientId })).redirect_uris).toEqual(['https://one.example.test/']);
  });

  test('that skips consent needs the permissions its users’ tokens can have', async () => {
    const { client_id: clientId } = await harness.newClient({ scopes: ['openid', 'keys:read'] });
    await harness.raw`UPDATE oauth_clients SET skip_consent = true WHERE "clientId" = ${clientId}`;
    const input = { client_id: clientId, reason };
    await expect(rotateClientSecret(harness, input, managing())).rejects.toMatchObject({ code: 'rights_exceeded' });
    expect((await rotateClientSecret(harness, input, managing('keys:read'))).client_secret).not.toBeNull();
  });
});

describe('how a client authenticates', () => {
  const change = (clientId: string, changes: Omit<Parameters<typeof updateClient>[1], 'client_id' | 'reason'>) =>
    updateClient(harness, { client_id: clientId, reason, ...changes }, testCaller);
  const certificates = { keys: [{ kty: 'EC', x5c: [derOf(CERTIFICATE)] }] };

  test('changes from a secret to certificates, a name of one or keys, which the view shows; the same again changes nothing', async () => {
    const { client_id: clientId } = await harness.newClient();
    const same = await change(clientId, { auth_method: 'client_secret_basic' });
    expect(same).not.toHaveProperty('certificate_thumbprints');
    const own = await change(clientId, { auth_method: 'self_signed_tls_client_auth', jwks: certificates });
    expect(own).toMatchObject({
      auth_method: 'self_signed_tls_client_auth',
      certificate_thumbprints: [CERTIFICATE.thumbprint],
    });
    const named = await change(clientId, { auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'app.example' });
    expect(named).toMatchObject({ auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'app.example', jwks: null });
    expect(named).not.toHaveProperty('certificate_thumbprints');
    expect(await readClient(harness, { client_id: clientId })).toEqual(named);
    const { kid, kty, crv, x, y } = newAssertionMaker().jwk;
    const jwks = { keys: [{ kid, kty, crv, x, y }] };
    const signing = await change(clientId, { auth_method: 'private_key_jwt', jwks });
    expect(signing).toMatchObject({ auth_method: 'private_key_jwt', jwks });
    expect(signing).not.toHaveProperty('tls_client_auth_san_dns');
    await change(clientId, { auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'app.example' });
    // Another name for the same method.
    const renamed = await change(clientId, { tls_client_auth_san_dns: 'other.example' });
    expect(renamed).toMatchObject({ auth_method: 'tls_client_auth', tls_client_auth_san_dns: 'other.example' });
  });

  test('stays for a public client: an app has no secret to replace', async () => {
    const { client_id: clientId } = await harness.newClient({ auth_method: 'none' });
    const refused = change(clientId, { auth_method: 'client_secret_basic' });
    await expect(refused).rejects.toMatchObject({ code: 'client_without_secret' });
    expect(await readClient(harness, { client_id: clientId })).toMatchObject({ auth_method: 'none' });
  });

  test('with codes needs an address to send them to, before and after a change', async () => {
    const { client_id: clientId } = await harness.newClient({ grant_types: [], redirect_uris: [] });
    const refused = change(clientId, { grant_types: ['authorization_code'] });
    await expect(refused).rejects.toMatchObject({ code: 'client_settings_conflict' });
    expect(await change(clientId, { grant_types: ['authorization_code'], redirect_uris: [CALLBACK] })).toMatchObject({
      grant_types: ['authorization_code'],
    });
    await expect(change(clientId, { redirect_uris: [] })).rejects.toMatchObject({ code: 'client_settings_conflict' });
  });
});

describe('rotating a secret', () => {
  test('keeps the previous secret valid for a day by default, and the response says until when', async () => {
    const { client_id: clientId, client_secret: first } = await harness.newClient();
    const rotated = await rotateClientSecret(harness, { client_id: clientId, reason }, testCaller);
    const until = Date.parse(rotated.previous_secret_until ?? '');
    expect(until - Date.parse(rotated.updated_at ?? '')).toBe(86_400_000);
    for (const secret of [first, rotated.client_secret])
      expect(harness.access.authenticateClient(clientId, secret ?? '')?.clientId).toBe(clientId);
    const again = await rotateClientSecret(harness, { client_id: clientId, overlap_seconds: 0, reason }, testCaller);
    expect(again.previous_secret_until).toBeNull();
    for (const secret of [first, rotated.client_secret])
      expect(harness.access.authenticateClient(clientId, secret ?? '')).toBeNull();
  });

  test('ends what the old secret made only if that secret ends at once', async () => {
    const { client_id: clientId } = await harness.newClient();
    const epochs = () =>
      harness.raw`SELECT "tokenEpoch" AS now,
        (SELECT max(token_epoch) FROM revocations WHERE kind = 'client' AND value = ${clientId}) AS revoked
        FROM oauth_clients WHERE "clientId" = ${clientId}`;
    const [before] = (await epochs()) as { now: number }[];
    await rotateClientSecret(harness, { client_id: clientId, reason }, testCaller);
    expect(await epochs()).toEqual([{ now: before?.now, revoked: null }]);
    await rotateClientSecret(harness, { client_id: clientId, overlap_seconds: 0, reason }, testCaller);
    const next = (before?.now ?? 0) + 1;
    expect(await epochs()).toEqual([{ now: next, revoked: next }]);
    expect(harness.access.client(clientId)?.tokenEpoch).toBe(next);
  });

  test('is refused for a public client: an app cannot keep a secret', async () => {
    const { client_id: clientId, client_secret } = await harness.newClient({ auth_method: 'none' });
    expect(client_secret).toBeNull();
    const rotation = rotateClientSecret(harness, { client_id: clientId, reason }, testCaller);
    await expect(rotation).rejects.toMatchObject({ code: 'client_without_secret' });
    expect(await readClient(harness, { client_id: clientId })).toMatchObject({ auth_method: 'none' });
  });
});

describe('the logo of a client', () => {
  const change = (clientId: string, logo: string | null) =>
    updateClient(harness, { client_id: clientId, logo, reason }, testCaller);
  const refusal = { code: 'client_logo_refused' };

  test('is stored, kept by other changes, replaced and removed; each event names the column, not the image', async () => {
    const [first, second] = [blackPng(8), blackPng(16)];
    const { client_id: clientId, has_logo } = await harness.newClient({ logo: logoOf(first) });
    expect([has_logo, harness.access.client(clientId)?.has_logo]).toEqual([true, true]);
    await updateClient(harness, { client_id: clientId, name: 'Other', reason }, testCaller);
    expect((await readClientLogo(harness, clientId)).equals(first)).toBe(true);
    expect((await change(clientId, logoOf(second))).has_logo).toBe(true);
    expect((await readClientLogo(harness, clientId)).equals(second)).toBe(true);
    expect((await change(clientId, null)).has_logo).toBe(false);
    await expect(readClientLogo(harness, clientId)).rejects.toMatchObject({ code: 'client_unknown' });
    const events = await harness.raw`SELECT detail FROM audit_outbox WHERE target_id = ${clientId} ORDER BY id`;
    const changed = { detail: { columns: ['logo'], reason } };
    expect(events).toEqual([{ detail: { reason } }, { detail: { columns: ['name'], reason } }, changed, changed]);
  });

  test('is not found for an unknown client, nor after the client was deleted by another copy', async () => {
    await expect(readClientLogo(harness, 'unknown')).rejects.toMatchObject({ code: 'client_unknown' });
    const { client_id: clientId } = await harness.newClient({ logo: logoOf(blackPng(8)) });
    await harness.raw`DELETE FROM oauth_clients WHERE "clientId" = ${clientId}`;
    expect(harness.access.client(clientId)?.has_logo).toBe(true);
    await expect(readClientLogo(harness, clientId)).rejects.toMatchObject({ code: 'client_unknown' });
  });

  test('that is no small PNG is refused, and so is one for a client that registered itself', async () => {
    const wide = logoOf(blackPng(513));
    await expect(harness.newClient({ logo: wide })).rejects.toMatchObject(refusal);
    const { client_id: clientId } = await harness.newClient();
    await expect(change(clientId, wide)).rejects.toMatchObject(refusal);
    const setOrigin = `UPDATE oauth_clients SET origin = 'registration' WHERE "clientId" = $1`;
    await harness.raw(setOrigin, [clientId]);
    await expect(change(clientId, logoOf(blackPng(8)))).rejects.toMatchObject(refusal);
    expect((await readClient(harness, { client_id: clientId })).has_logo).toBe(false);
    // The table refuses what the product would never write.
    const setLogo = (logo: string) =>
      harness.raw`UPDATE oauth_clients SET logo = ${logo} WHERE "clientId" = ${clientId}`;
    await expect(setLogo(logoOf(blackPng(8)))).rejects.toThrow('oauth_clients_logo');
    await harness.raw`UPDATE oauth_clients SET origin = 'admin' WHERE "clientId" = ${clientId}`;
    for (const logo of ['https://app.test/logo.png', `data:image/png;base64,${'A'.repeat(32_768)}`])
      await expect(setLogo(logo)).rejects.toThrow('oauth_clients_logo');
  });
});
