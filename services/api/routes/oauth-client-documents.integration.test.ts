import { describe, expect, test } from 'vitest';
import { UNUSED_FROM_ONE_ADDRESS_MAX } from '#services/core/oauth/clients/self-register-client.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { signUp, verdictOn } from '#tools/testing/flows/flows.ts';
import { newPerson } from '#tools/testing/flows/people.ts';
import { askToken, browserOf, newVerifier } from '#tools/testing/harness/oauth.ts';
import { expectProblem, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import {
  NOTES_REDIRECT,
  openUnvettedHarness,
  STRICT,
  startDocumentHost,
  UNVETTED_AUDIENCE,
  unvettedPath,
} from './oauth-unvetted-harness.ts';

const harness = opened(() => openUnvettedHarness(({ url }) => signUp({ api: url })));
const strict = opened(() => harness.startCopy({ env: STRICT, hashes: false }));
const host = opened(startDocumentHost);

const expire = async (): Promise<void> => {
  await harness.rows`UPDATE oauth_clients SET document_until = now() WHERE "clientId" = ${host.url}`;
  await Promise.all([harness.open, strict].map(({ ports }) => ports.access.load()));
};

describe('clients that are documents (draft-ietf-oauth-client-id-metadata-document)', () => {
  test('a document is fetched only for a signed-in user; then it is a client whose address the consent page shows', async () => {
    const told = (await send(harness.open.url, 'GET', '/.well-known/openid-configuration')).body;
    expect(told.client_id_metadata_document_supported).toBe(true);
    const stranger = await browserOf(harness.open).open(unvettedPath(host.url, newVerifier(), { prompt: 'none' }));
    expect([stranger.status, stranger.leftFor]).toEqual([400, null]);
    const verifier = newVerifier();
    const browser = browserOf(harness.open);
    const login = await browser.open(unvettedPath(host.url, verifier, { resource: UNVETTED_AUDIENCE }));
    expect([login.text.includes('name="password"'), host.fetched]).toEqual([true, 0]);
    const page = await browser.submit(login, { email: harness.user.email, password: harness.user.password });
    expect(page.text).toContain('Journal');
    expect(page.text).toContain(`<strong><code>${new URL(host.url).host}</code></strong>`);
    const { leftFor } = await browser.submit(page, { decision: 'allow', scope: ['openid', 'email'] });
    const form = {
      grant_type: 'authorization_code',
      code: leftFor?.searchParams.get('code') ?? '',
      redirect_uri: NOTES_REDIRECT,
      code_verifier: verifier,
    };
    const tokens = await askToken(harness.open, { client_id: host.url, client_secret: '' }, form);
    expect(tokens.body).toMatchObject({ scope: 'openid email', refresh_token: expect.any(String) });
    await host.askAt(harness.open, harness.user);
    expect(host.fetched).toBe(1);
    // Its id fits into a path, and withdrawing consent ends it like other clients.
    const path = `/v1/consents/${encodeURIComponent(host.url)}`;
    expect((await send(harness.open.url, 'DELETE', path, { bearer: harness.user.tokens.access_token })).status).toBe(
      204,
    );
    const audience = UNVETTED_AUDIENCE;
    await eventually(
      'the other copy to know',
      async () => (await verdictOn({ api: strict.url }, tokens.body.access_token, { audience })) === 'revoked',
    );
  });

  test('read again after expiry: additions need a new consent, and the log records the changes', async () => {
    const browser = browserOf(harness.open, harness.user);
    await browser.submit(await browser.open(unvettedPath(host.url, newVerifier())), {
      decision: 'allow',
      scope: ['openid', 'email'],
    });
    await expire();
    expect((await host.askAt(harness.open, harness.user)).leftFor).not.toBeNull();
    host.document = { ...host.document, redirect_uris: [NOTES_REDIRECT, 'https://other.example/cb'] };
    expect((await host.askAt(harness.open, harness.user)).leftFor).not.toBeNull();
    await expire();
    const asked = await host.askAt(harness.open, harness.user);
    expect([asked.leftFor, asked.status]).toEqual([null, 200]);
    const events = await harness.rows`SELECT actor_id, detail FROM audit_outbox
      WHERE type IN ('client.created', 'client.changed') AND target_id = ${host.url} ORDER BY id`;
    const reason = 'client_document_read';
    expect(events).toEqual([
      { actor_id: harness.user.id, detail: { origin: 'document', reason } },
      { actor_id: harness.user.id, detail: { columns: ['redirect_uris'], reason } },
    ]);
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

  test('at most twenty per host, and a twentieth of all from one address; beyond that a user must try later', async () => {
    const port = new URL(host.url).port;
    const fresh = async (at: string) => {
      host.document = { ...host.document, client_id: host.url.replace('client', at) };
      return (await host.askAt(harness.open, harness.user, host.document.client_id)).text;
    };
    // With the existing one, also at another port of the host: nineteen.
    await harness.rows`INSERT INTO oauth_clients (id, "clientId", origin, document_until)
      SELECT at, at, 'document', now() FROM generate_series(1, 18) n,
        LATERAL (SELECT 'http://127.0.0.1' || CASE WHEN n > 9 THEN ':' || ${port} ELSE '' END || '/' || n) AS address(at)`;
    expect(await fresh('twentieth')).toContain('Journal');
    expect(await fresh('twenty-first')).toContain('limit on new applications');
    const { client_id } = (await harness.register({ redirect_uris: [NOTES_REDIRECT] })).body;
    await harness.rows`INSERT INTO oauth_clients (id, "clientId", redirect_uris, origin, registered_from)
      SELECT 'from' || n, 'from' || n, redirect_uris, origin, registered_from
      FROM oauth_clients, generate_series(2, ${UNUSED_FROM_ONE_ADDRESS_MAX}::int) n WHERE "clientId" = ${client_id}`;
    const full = await harness.register({ redirect_uris: [NOTES_REDIRECT] });
    expect([full.status, full.body.error, full.body.code]).toEqual([
      503,
      'temporarily_unavailable',
      'client_registration_full',
    ]);
    expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(60);
  });

  test('an internal address is not fetched, even by name; a disabled client is not read again', async () => {
    const before = host.fetched;
    for (const inside of [
      host.url,
      host.url.replace('http:', 'https:'),
      'https://localhost/client.json',
      'https://169.254.169.254/a',
    ]) {
      const shown = await host.askAt(strict, harness.user, inside.replace('client.json', 'other.json'));
      expect([inside, shown.status, shown.leftFor]).toEqual([inside, 400, null]);
    }
    await harness.rows`UPDATE oauth_clients SET disabled = true WHERE "clientId" = ${host.url}`;
    await expire();
    expect((await host.askAt(harness.open, harness.user)).status).toBe(400);
    expect(host.fetched).toBe(before);
  });
});
