import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '#testing/eventually.ts';
import type { TestUser } from '#testing/flows/flows.ts';
import { newPerson } from '#testing/flows/people.ts';
import { newSignedIn } from '#testing/flows/signed-in.ts';
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
  test('one user agrees to at most twenty new document clients a day, and does not use up other users’ limits', async () => {
    const [flooder, other] = [await newSignedIn(harness.open), await newSignedIn(harness.open)];
    await harness.rows(
      `INSERT INTO oauth_clients (id, "clientId", origin, document_until, "userId")
       SELECT 'flood' || n, 'https://n' || n || '.evil.example/a', 'document', now(), $1 FROM generate_series(1, 19) n`,
      [flooder.id],
    );
    const was = host.document;
    const fresh = async (at: string, by: TestUser) => {
      host.document = { ...was, client_id: host.url.replace('client', at) };
      return (await host.askAt(harness.open, by, host.document.client_id)).text;
    };
    // A page that links further documents uses up nothing: clients without consent are evicted.
    for (const at of ['flood-18', 'flood-19', 'flood-20']) expect(await fresh(at, flooder)).toContain('Journal');
    await harness.rows(
      `INSERT INTO oauth_consents (user_id, client_id, audience, scopes)
       SELECT "userId", "clientId", 'a', '{}' FROM oauth_clients WHERE "userId" = $1`,
      [flooder.id],
    );
    expect(await fresh('flood-21', flooder)).toContain('too many new applications within a day');
    expect(await fresh('flood-20', flooder)).toContain('Journal');
    expect(await fresh('flood-21', other)).toContain('Journal');
    await harness.rows(`UPDATE oauth_clients SET "createdAt" = now() - interval '25 hours' WHERE id = 'flood19'`);
    expect(await fresh('flood-22', flooder)).toContain('Journal');
    await harness.rows(`DELETE FROM oauth_clients WHERE "clientId" LIKE '%flood%' OR id LIKE 'flood%'`);
    host.document = was;
  });

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

  test('at most twenty per host and ten thousand of each kind; beyond that a user must try later', async () => {
    const port = new URL(host.url).port;
    const fresh = async (at: string) => {
      host.document = { ...host.document, client_id: host.url.replace('client', at) };
      // Twenty thousand clients are read meanwhile: on a busy machine a copy may be stale for a moment.
      return eventually('an answer of a copy that is not stale', async () => {
        const answer = await host.askAt(harness.open, harness.user, host.document.client_id);
        return answer.status !== 503 && answer;
      });
    };
    const fill = (ids: string, kinds: string) =>
      harness.rows(`DO $$ BEGIN
        SET LOCAL session_replication_role = replica;
        INSERT INTO oauth_clients (id, "clientId", origin, document_until)
        SELECT ${ids}, ${ids}, kind, CASE kind WHEN 'document' THEN now() END
        FROM unnest('{${kinds}}'::text[]) kind, ${kinds === 'document' ? 'generate_series(1, 18)' : 'generate_series(1, 10000)'} n; END $$`);
    // With the existing one, also at another port of the host: nineteen.
    await fill(`'http://127.0.0.1' || CASE WHEN n > 9 THEN ':${port}' ELSE '' END || '/' || n`, 'document');
    expect((await fresh('twentieth')).text).toContain('Journal');
    expect((await fresh('twenty-first')).text).toContain('limit on new applications');
    await harness.rows(`DELETE FROM oauth_clients WHERE "clientId" LIKE 'http://127.0.0.1/%'`);
    expect((await fresh('twenty-second')).text).toContain('Journal');
    await fill('kind || n', 'registration,document');
    await harness.rows(`DO $$ BEGIN
      SET LOCAL session_replication_role = replica;
      UPDATE oauth_clients SET "updatedAt" = now() - interval '1 hour' WHERE "clientId" IN ('document7', 'document8', 'document9');
      UPDATE oauth_clients SET disabled = true WHERE "clientId" = 'document7';
      INSERT INTO oauth_consents (user_id, client_id, audience, scopes) VALUES ('${harness.user.id}', 'document8', 'a', '{}'); END $$`);
    // The unused client that was read longest ago is evicted.
    expect((await fresh('twenty-third')).text).toContain('Journal');
    const left = await harness.rows(
      `SELECT "clientId" AS id FROM oauth_clients WHERE "clientId" IN ('document7', 'document8', 'document9') ORDER BY 1`,
    );
    expect(left).toEqual([{ id: 'document7' }, { id: 'document8' }]);
    const [gone] = await harness.rows(
      `SELECT actor_id FROM audit_outbox WHERE type = 'client.deleted' AND target_id = 'document9'`,
    );
    expect(gone).toEqual({ actor_id: harness.user.id });
    await harness.rows(
      `INSERT INTO oauth_consents (user_id, client_id, audience, scopes)
       SELECT $1, "clientId", 'a', '{}' FROM oauth_clients WHERE origin = 'document' ON CONFLICT DO NOTHING`,
      [harness.user.id],
    );
    expect((await fresh('twenty-fourth')).text).toContain('limit on new applications');
    const full = await harness.register({ redirect_uris: [NOTES_REDIRECT] });
    expect([full.status, full.body.error, full.body.code]).toEqual([
      503,
      'temporarily_unavailable',
      'client_registration_full',
    ]);
    expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(60);
  });
});
