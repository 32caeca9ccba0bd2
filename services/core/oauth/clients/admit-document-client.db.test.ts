import { expect, test } from 'vitest';
import { opened, partOf } from '#tools/testing/opened.ts';
import { authorize } from '../authorize/authorize.ts';
import { anonymousCaller, openGrantHarness, unlogged } from '../grant-harness.ts';
import { admitDocumentClient, type DocumentClientPorts } from './admit-document-client.ts';
import { validateClientDocument } from './client-document.ts';
import type { ReadDocument } from './read-client-document.ts';
import { UNVETTED_CLIENTS_MAX } from './self-register-client.ts';

const REDIRECT = 'https://app.example.test/cb';
const harness = opened(() => openGrantHarness());
const ports = partOf(() => harness.ports);
const user = opened(() => harness.newUser());

let hosts = 0;
/** The URL of a document that was never read. */
const newAddress = (): string => `https://app-${++hosts}.example/client.json`;
const query = (clientId: string, members: Record<string, string> = {}): string =>
  harness.query({ clientId, caller: anonymousCaller }, members);
/** Sets the response of the URL. */
function publish(url: string, members: object = {}): void {
  const document = { client_id: url, client_name: 'Journal', redirect_uris: [REDIRECT], scope: 'openid', ...members };
  const read = validateClientDocument(url, JSON.stringify(document), ports.clientSettings.scopes);
  harness.documents.set(url, { ...read, lifeSeconds: 600 } as ReadDocument);
}
const admit = (
  url: string,
  { cookie = user.cookie, members = {} }: { cookie?: string; members?: Record<string, string> } = {},
  changes: Partial<DocumentClientPorts> = {},
) => admitDocumentClient({ ...ports, ...changes }, { query: query(url, members), cookie }, anonymousCaller);
const later = (seconds: number): Partial<DocumentClientPorts> => ({
  clock: { ...ports.clock, now: () => ports.clock.now() + seconds * 1_000 },
});
const clientRow = async (url: string) =>
  (await harness.rows`SELECT name, scopes, "userId", origin FROM oauth_clients WHERE "clientId" = ${url}`)[0];
const because = (why: string) => ({ kind: 'page-error', why: expect.stringContaining(why) });
const admitted = async (members: object = {}): Promise<string> => {
  const url = newAddress();
  publish(url, members);
  expect(await admit(url)).toBeNull();
  return url;
};

test('reads a client document for a signed-in user and stores it like any other client', async () => {
  const url = await admitted();
  expect(await clientRow(url)).toEqual({ name: 'Journal', scopes: ['openid'], userId: user.id, origin: 'document' });
  const input = { query: query(url, { scope: 'openid' }), cookie: user.cookie };
  expect(await authorize(ports, input, anonymousCaller)).toMatchObject({
    kind: 'consent',
    request: { client: { name: 'Journal' } },
  });
  const events = `SELECT actor_id FROM audit_outbox WHERE type = 'client.created' AND target_id = $1`;
  expect(await harness.rows(events, [url])).toEqual([{ actor_id: user.id }]);
});

test('a client whose document has no name is shown by its host', async () => {
  const url = await admitted({ client_name: undefined });
  expect(ports.access.client(url)?.name).toBe(new URL(url).host);
});

test('a request without a session causes no fetch', async () => {
  const url = newAddress();
  publish(url);
  expect(await admit(url, { cookie: '' })).toMatchObject({ kind: 'sign-in' });
  // With prompt=none the authorization returns the error, because no page may be shown.
  expect(await admit(url, { cookie: '', members: { prompt: 'none' } })).toBeNull();
  expect(await clientRow(url)).toBeUndefined();
});

test.each([
  ['that is not a URL', 'plain-name', {}],
  ['if metadata documents are disabled', newAddress(), { readsDocuments: false }],
  ['with http outside development', 'http://app.example/client.json', {}],
])('a client id %s causes no fetch', async (_what, clientId, settings) => {
  publish(clientId);
  const clientSettings = { ...ports.clientSettings, ...settings };
  expect(await admit(clientId, {}, { clientSettings })).toBeNull();
  expect(await clientRow(clientId)).toBeUndefined();
});

test('a request with two client ids causes no fetch and creates no client', async () => {
  const url = newAddress();
  publish(url);
  const input = { query: `${query(url)}&client_id=other`, cookie: user.cookie };
  expect(await admitDocumentClient(ports, input, anonymousCaller)).toBeNull();
  expect(await clientRow(url)).toBeUndefined();
});

test('an invalid document is shown to the user as an error and creates no client', async () => {
  const url = newAddress();
  expect(await admit(url)).toEqual(because('it cannot be fetched'));
  publish(url, { client_secret: 's' });
  expect(await admit(url)).toEqual(because('it contains a client secret'));
  expect(await clientRow(url)).toBeUndefined();
});

test('a document is not fetched again before it expires', async () => {
  const url = await admitted();
  harness.documents.delete(url);
  expect(await admit(url)).toBeNull();
  expect(await admit(url, {}, later(601))).toEqual(because('it cannot be fetched'));
});

test('while the fetch limit is reached, an expired document is used for one more hour and a new client is refused', async () => {
  const [url, unknown] = [await admitted(), newAddress()];
  for (const each of [url, unknown]) harness.documents.set(each, { kind: 'busy' });
  expect(await admit(url, {}, later(700))).toBeNull();
  expect(await admit(url, {}, later(600 + 3_601))).toEqual(because('Too many metadata documents'));
  expect(await admit(unknown)).toEqual(because('Too many metadata documents'));
});

test('without a session an expired document is not fetched: the request is validated against the stored client', async () => {
  const url = await admitted();
  harness.documents.delete(url);
  expect(await admit(url, { cookie: '' }, later(700))).toBeNull();
});

test('an unchanged document keeps its consents and writes no audit event', async () => {
  const url = await admitted();
  await harness.codeFor(user, { clientId: url, caller: anonymousCaller }, { scope: 'openid' });
  expect(await admit(url, {}, later(700))).toBeNull();
  expect(ports.access.client(url)?.document_until_ms).toBeGreaterThan(ports.clock.now() + 1_000_000);
  expect(await harness.rows`SELECT scopes FROM oauth_consents WHERE client_id = ${url}`).toHaveLength(1);
  expect(await harness.rows`SELECT 1 FROM audit_outbox WHERE type = 'client.changed' AND target_id = ${url}`).toEqual(
    [],
  );
});

test.each([
  ['a scope', { scope: 'openid email' }],
  ['a redirect URI', { redirect_uris: [REDIRECT, 'https://app.example.test/2'] }],
  ['an address for after the sign-out', { post_logout_redirect_uris: ['https://app.example.test/bye'] }],
])('a document that adds %s ends its consents, so that users are asked again', async (_what, members) => {
  const url = await admitted();
  await harness.codeFor(user, { clientId: url, caller: anonymousCaller }, { scope: 'openid' });
  publish(url, members);
  expect(await admit(url, {}, later(700))).toBeNull();
  expect(await harness.rows`SELECT 1 FROM oauth_consents WHERE client_id = ${url}`).toEqual([]);
});

test('a document that removes a scope or changes the name updates the client and keeps its consents', async () => {
  const url = await admitted({ scope: 'openid email' });
  await harness.codeFor(user, { clientId: url, caller: anonymousCaller }, { scope: 'openid' });
  publish(url, { client_name: 'Diary' });
  expect(await admit(url, {}, later(700))).toBeNull();
  expect(ports.access.client(url)).toMatchObject({ name: 'Diary', scopes: ['openid'] });
  expect(await harness.rows`SELECT 1 FROM oauth_consents WHERE client_id = ${url}`).toHaveLength(1);
});

test('a document of a native application serves copies of its sign-in, and one that becomes a web client serves none', async () => {
  const url = await admitted({ redirect_uris: ['http://127.0.0.1/cb'] });
  const copies = () => ports.access.client(url)?.refresh_copies;
  expect(copies()).toBe(43_200);
  publish(url, { redirect_uris: ['http://127.0.0.1/cb', REDIRECT] });
  expect(await admit(url, {}, later(700))).toBeNull();
  expect(copies()).toBe(0);
  // Nor do they come back: the registration gives them, and no later document.
  publish(url, { redirect_uris: ['http://127.0.0.1/cb'] });
  expect(await admit(url, {}, later(1_400))).toBeNull();
  expect(copies()).toBe(0);
});

test('the address for logout tokens follows the document, and its consents stay', async () => {
  const uri = 'https://app.example.test/logout';
  const url = await admitted({ backchannel_logout_uri: uri });
  await harness.codeFor(user, { clientId: url, caller: anonymousCaller }, { scope: 'openid' });
  const stored = async () =>
    (await harness.rows`SELECT backchannel_logout_uri AS uri FROM oauth_clients WHERE "clientId" = ${url}`)[0];
  expect(await stored()).toEqual({ uri });
  publish(url, { backchannel_logout_uri: `${uri}/2` });
  expect(await admit(url, {}, later(700))).toBeNull();
  expect(await stored()).toEqual({ uri: `${uri}/2` });
  publish(url);
  expect(await admit(url, {}, later(1_400))).toBeNull();
  expect(await stored()).toEqual({ uri: null });
  expect(await harness.rows`SELECT 1 FROM oauth_consents WHERE client_id = ${url}`).toHaveLength(1);
});

test('a client that another copy stored a moment ago is loaded by this copy after the fetch', async () => {
  const url = await admitted();
  const known = new Set<string>();
  const access = {
    ...ports.access,
    client: (id: string) => (known.has(id) ? ports.access.client(id) : undefined),
    load: async () => {
      await ports.access.load();
      known.add(url);
    },
  };
  expect(await admit(url, {}, { access })).toBeNull();
  expect(access.client(url)).toMatchObject({ origin: 'document' });
});

test('the document of a disabled client is not fetched', async () => {
  const url = await admitted();
  await harness.rows`UPDATE oauth_clients SET disabled = true WHERE "clientId" = ${url}`;
  await ports.access.load();
  harness.documents.delete(url);
  expect(await admit(url, {}, later(700))).toBeNull();
});

/** Inserts this many clients whose documents were fetched before. */
const documentsInsert = `INSERT INTO oauth_clients (id, "clientId", redirect_uris, origin, document_until, "userId", "updatedAt")
  SELECT $2 || n, $2 || n, '{https://a.example/cb}', 'document', now(), $3, now() - interval '1 day'
  FROM generate_series(1, $1::int) n`;
const insertDocuments = (count: number, prefix: string, userId: string | null = null) =>
  harness.rows(documentsInsert, [count, prefix, userId]);

test('links on another site cannot use up a user’s daily limit: the oldest unused client is evicted', async () => {
  const led = await harness.newUser();
  await insertDocuments(20, 'https://links.example/', led.id);
  await harness.rows`UPDATE oauth_clients SET "updatedAt" = now() - interval '2 days'
    WHERE id = 'https://links.example/7'`;
  for (let turn = 0; turn < 3; turn += 1) {
    const url = newAddress();
    publish(url);
    expect(await admit(url, { cookie: led.cookie })).toBeNull();
    expect(await clientRow(url)).toMatchObject({ userId: led.id });
  }
  const left = await harness.rows`SELECT id FROM oauth_clients WHERE "userId" = ${led.id}`;
  expect(left).toHaveLength(20);
  expect(left).not.toContainEqual({ id: 'https://links.example/7' });
});

test('one user can be the first to use at most twenty clients a day', async () => {
  const greedy = await harness.newUser();
  await insertDocuments(20, 'https://greedy.example/', greedy.id);
  await harness.rows`INSERT INTO oauth_consents (user_id, client_id, audience, scopes)
    SELECT ${greedy.id}, "clientId", 'a', '{}' FROM oauth_clients WHERE "userId" = ${greedy.id}`;
  const url = newAddress();
  publish(url);
  expect(await admit(url, { cookie: greedy.cookie })).toEqual(because('too many new applications within a day'));
  expect(await clientRow(url)).toBeUndefined();
  expect(await admit(url)).toBeNull();
  await harness.rows`UPDATE oauth_clients SET "createdAt" = now() - interval '25 hours'
    WHERE id = 'https://greedy.example/1'`;
  const later = newAddress();
  publish(later);
  expect(await admit(later, { cookie: greedy.cookie })).toBeNull();
});

test('one host can have at most twenty clients, over all its ports', async () => {
  await insertDocuments(9, 'https://crowded.example/');
  await insertDocuments(10, 'https://crowded.example:8443/');
  const twentieth = 'https://crowded.example:9443/app.json';
  publish(twentieth);
  expect(await admit(twentieth)).toBeNull();
  const url = 'https://crowded.example/one-more.json';
  publish(url);
  expect(await admit(url)).toEqual(because('limit on new applications'));
  expect(await clientRow(url)).toBeUndefined();
});

test('at the limit a new client replaces an unused one, and is refused if none is unused', async () => {
  await unlogged(harness.pool, documentsInsert, [UNVETTED_CLIENTS_MAX, 'https://many.example/', null]);
  const count = async () => (await harness.rows`SELECT 1 FROM oauth_clients WHERE origin = 'document'`).length;
  const before = await count();
  // Read longest ago: one is disabled, one is in use, and one is evicted.
  const oldest = [7, 8, 9].map((n) => `https://many.example/${n}`);
  const aged = `UPDATE oauth_clients SET "updatedAt" = now() - interval '3 days', disabled = ("clientId" = $2) WHERE "clientId" = ANY ($1)`;
  await unlogged(harness.pool, aged, [oldest, oldest[0]]);
  const used = `INSERT INTO oauth_consents (user_id, client_id, audience, scopes) VALUES ($1, $2, 'a', '{}')`;
  await unlogged(harness.pool, used, [user.id, oldest[1]]);
  await admitted();
  expect(await count()).toBe(before);
  const left = 'SELECT "clientId" AS id FROM oauth_clients WHERE "clientId" = ANY ($1) ORDER BY 1';
  expect(await harness.rows(left, [oldest])).toEqual([{ id: oldest[0] }, { id: oldest[1] }]);
  const deleted = `SELECT actor_id FROM audit_outbox WHERE type = 'client.deleted' AND target_id = $1`;
  expect(await harness.rows(deleted, [oldest[2]])).toEqual([{ actor_id: user.id }]);
  await unlogged(harness.pool, `UPDATE oauth_clients SET disabled = true WHERE origin = 'document'`);
  const url = newAddress();
  publish(url);
  expect(await admit(url)).toEqual(because('limit on new applications'));
  expect(await clientRow(url)).toBeUndefined();
});
