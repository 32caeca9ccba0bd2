import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { askToken, browserOf, newVerifier } from '#tools/testing/harness/oauth.ts';
import type { Json } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';
import { NOTES_REDIRECT, openUnvettedHarness, startDocumentHost, unvettedPath } from './oauth-unvetted-harness.ts';

const EVIL_REDIRECT = 'https://evil.example/cb';
/** Where a redirect of the host leads: it serves a document that would be valid at its own address. */
let reached = 0;
const elsewhere = createServer((request, response) => {
  reached += 1;
  const document = { ...host.document, client_id: `http://${request.headers.host}${request.url}` };
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(document));
});
const harness = opened(openUnvettedHarness);
const host = opened(startDocumentHost);
beforeAll(async () => {
  await new Promise<void>((done) => elsewhere.listen(0, '127.0.0.1', done));
});
afterAll(async () => {
  elsewhere.closeAllConnections();
  elsewhere.close();
});
beforeEach(() => {
  host.answer = host.serve;
  host.document = { ...host.document, client_id: host.url, redirect_uris: [NOTES_REDIRECT] };
});

let paths = 0;
/** An address of the host that no test has used. */
const newClientId = (): string => host.url.replace('client.json', `client-${++paths}.json`);
const knownAs = (clientId: string): Promise<Json[]> =>
  harness.rows`SELECT redirect_uris FROM oauth_clients WHERE "clientId" = ${clientId}`;

describe('the host of a document', () => {
  const json = { 'content-type': 'application/json' };
  test.each<[string, (url: string) => RequestListener]>([
    [
      'redirects to another host',
      () => (_request, response) => {
        const { port } = elsewhere.address() as AddressInfo;
        response.writeHead(302, { location: `http://127.0.0.1:${port}/client.json` }).end();
      },
    ],
    [
      'sends a document of 6 KB',
      (url) => (_request, response) =>
        response
          .writeHead(200, json)
          .end(JSON.stringify({ ...host.document, client_id: url, padding: 'x'.repeat(6_000) })),
    ],
    [
      'sends a gzip bomb',
      () => (_request, response) =>
        response.writeHead(200, { ...json, 'content-encoding': 'gzip' }).end(gzipSync(Buffer.alloc(20_000_000))),
    ],
    [
      'sends an error with a valid document',
      (url) => (_request, response) =>
        response.writeHead(404, json).end(JSON.stringify({ ...host.document, client_id: url })),
    ],
    [
      'names a client of another host',
      () => (_request, response) =>
        response.writeHead(200, json).end(JSON.stringify({ ...host.document, client_id: 'https://bank.example/app' })),
    ],
    [
      'names the same address in another spelling',
      (url) => (_request, response) =>
        response
          .writeHead(200, json)
          .end(JSON.stringify({ ...host.document, client_id: url.replace('127.0.0.1', 'localhost') })),
    ],
    [
      'names two client ids',
      (url) => (_request, response) =>
        response
          .writeHead(200, json)
          .end(
            JSON.stringify({ ...host.document, client_id: 'https://bank.example/app' }).replace(
              '{',
              `{"client_id":"${url}",`,
            ),
          ),
    ],
  ])('that %s gets no client and no answer to its address', async (_what, answerAs) => {
    const clientId = newClientId();
    host.answer = answerAs(clientId);
    const shown = await host.askAt(harness.open, await newSignedIn(harness.open), clientId);
    expect([shown.status, shown.leftFor]).toEqual([400, null]);
    expect(shown.text).not.toContain('name="decision"');
    expect(await knownAs(clientId)).toEqual([]);
    expect(reached).toBe(0);
  });
});

/** An authorization request that is answered at this address. */
const pathTo = (clientId: string, redirect_uri: string, verifier = newVerifier()): string =>
  unvettedPath(clientId, verifier, { redirect_uri });

async function allowed(clientId: string, verifier: string, redirect = NOTES_REDIRECT) {
  const user = await newSignedIn(harness.open);
  const browser = browserOf(harness.open, user);
  const page = await browser.open(pathTo(clientId, redirect, verifier));
  expect(page.status, page.text).toBe(200);
  const { leftFor } = await browser.submit(page, { decision: 'allow', scope: ['openid', 'email'] });
  return { user, browser, code: leftFor?.searchParams.get('code') ?? '' };
}

async function expire(clientId: string): Promise<void> {
  await harness.rows`UPDATE oauth_clients SET document_until = now() WHERE "clientId" = ${clientId}`;
  await harness.open.ports.access.load();
}

describe('a document that changes after users consented', () => {
  test('cannot send their codes to a new address without asking them, and an address that it dropped gets none', async () => {
    const clientId = newClientId();
    host.document = { ...host.document, client_id: clientId };
    const { browser } = await allowed(clientId, newVerifier());
    host.document = { ...host.document, redirect_uris: [EVIL_REDIRECT] };
    // Until the document expires, its new address is not known.
    const early = await browser.open(pathTo(clientId, EVIL_REDIRECT));
    expect([early.status, early.leftFor]).toEqual([400, null]);
    await expire(clientId);
    const silent = await browser.open(
      unvettedPath(clientId, newVerifier(), { redirect_uri: EVIL_REDIRECT, prompt: 'none' }),
    );
    expect(silent.leftFor?.searchParams.get('code') ?? null).toBeNull();
    const asked = await browser.open(pathTo(clientId, EVIL_REDIRECT));
    expect([asked.status, asked.leftFor]).toEqual([200, null]);
    expect(asked.text).toContain('name="decision"');
    const dropped = await browser.open(pathTo(clientId, NOTES_REDIRECT));
    expect([dropped.status, dropped.leftFor]).toEqual([400, null]);
  });

  test('a code that was sent to the earlier address is redeemed with that address alone', async () => {
    const clientId = newClientId();
    host.document = { ...host.document, client_id: clientId, redirect_uris: [NOTES_REDIRECT, EVIL_REDIRECT] };
    const verifier = newVerifier();
    const { code } = await allowed(clientId, verifier);
    expect(code).not.toBe('');
    const form = { grant_type: 'authorization_code', code, code_verifier: verifier };
    const client = { client_id: clientId, client_secret: '' };
    const stolen = await askToken(harness.open, client, { ...form, redirect_uri: EVIL_REDIRECT });
    expect(stolen.body.error).toBe('invalid_grant');
  });
});

test('cache poisoning: a document of one path is no document of another, and a wrong one is read again', async () => {
  const [mine, victim] = [newClientId(), newClientId()];
  host.document = { ...host.document, client_id: mine };
  await allowed(mine, newVerifier());
  const user = await newSignedIn(harness.open);
  expect((await host.askAt(harness.open, user, victim)).status).toBe(400);
  expect((await host.askAt(harness.open, user, `${mine}/`)).status).toBe(400);
  host.document = { ...host.document, client_id: victim };
  expect((await host.askAt(harness.open, user, victim)).status).toBe(200);
});

test('look-alike hosts: an address that reads like another host’s, or is not in its one spelling, is no client', async () => {
  for (const clientId of [
    'http://127.0.0.1.evil.example/client.json',
    'https://\u0430pple.example/client.json',
    'https://bank.example@evil.example/client.json',
    'https://bank.example%2f@evil.example/client.json',
    'https://BANK.example/client.json',
  ]) {
    const shown = await host.askAt(harness.open, await newSignedIn(harness.open), clientId);
    expect([clientId, shown.status, shown.leftFor]).toEqual([clientId, 400, null]);
    expect(await knownAs(clientId)).toEqual([]);
  }
});
