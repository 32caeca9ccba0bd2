import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UNUSED_FROM_ONE_ADDRESS_MAX } from '#services/domain/oauth/clients/self-register-client.ts';
import { newPerson } from '#testing/flows/people.ts';
import { expectProblem, send } from '#testing/http-client.ts';
import {
  type DocumentHost,
  NOTES_REDIRECT,
  openUnvettedHarness,
  startDocumentHost,
  type UnvettedHarness,
} from './oauth-unvetted-harness.ts';

let harness: UnvettedHarness;
let host: DocumentHost;
beforeAll(async () => {
  harness = await openUnvettedHarness();
  host = await startDocumentHost();
  expect((await host.askAt(harness.open, harness.user)).status).toBe(200);
});
afterAll(async () => {
  await harness?.close();
  host?.close();
});

describe('clients that are documents (draft-ietf-oauth-client-id-metadata-document)', () => {
  test('where such clients are disabled, registration is refused and documents read before are unknown clients', async () => {
    const off = await harness.startCopy({ hashes: false, env: { CLIENT_REGISTRATION: 'off' } });
    const admin = await newPerson(off, ['admin']);
    expect((await harness.register({ redirect_uris: [NOTES_REDIRECT] }, undefined, off)).status).toBe(401);
    const answered = await harness.register({ redirect_uris: [NOTES_REDIRECT] }, admin.bearer, off);
    expect([answered.status, answered.body.error]).toEqual([403, 'access_denied']);
    const told = (await send(off.url, 'GET', '/.well-known/oauth-authorization-server')).body;
    expect([told.registration_endpoint, told.client_id_metadata_document_supported]).toEqual([undefined, false]);
    expectProblem(await send(off.url, 'GET', '/v1/consents'), 401, 'unauthenticated');
    expect(harness.open.ports.access.client(host.url)).toBeDefined();
    expect((await host.askAt(off, harness.user)).status).toBe(400);
  });

  test('at most twenty per host, and a twentieth of all from one address; beyond that a user must try later', async () => {
    const port = new URL(host.url).port;
    const fresh = async (at: string) => {
      host.document = { ...host.document, client_id: host.url.replace('client', at) };
      return (await host.askAt(harness.open, harness.user, host.document.client_id)).text;
    };
    // With the existing one, also at another port of the host: nineteen.
    await harness.rows(
      `INSERT INTO oauth_clients (id, "clientId", origin, document_until)
       SELECT at, at, 'document', now() FROM generate_series(1, 18) n,
         LATERAL (SELECT 'http://127.0.0.1' || CASE WHEN n > 9 THEN ':' || $1 ELSE '' END || '/' || n) AS address(at)`,
      [port],
    );
    expect(await fresh('twentieth')).toContain('Journal');
    expect(await fresh('twenty-first')).toContain('limit on new applications');
    const { client_id } = (await harness.register({ redirect_uris: [NOTES_REDIRECT] })).body;
    await harness.rows(
      `INSERT INTO oauth_clients (id, "clientId", redirect_uris, origin, registered_from)
       SELECT 'from' || n, 'from' || n, redirect_uris, origin, registered_from
       FROM oauth_clients, generate_series(2, $1::int) n WHERE "clientId" = $2`,
      [UNUSED_FROM_ONE_ADDRESS_MAX, client_id],
    );
    const full = await harness.register({ redirect_uris: [NOTES_REDIRECT] });
    expect([full.status, full.body.error, full.body.code]).toEqual([
      503,
      'temporarily_unavailable',
      'client_registration_full',
    ]);
    expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(60);
  });
});
