import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { opened } from '#tools/testing/opened.ts';
import { validateStaging } from './validate-staging.ts';

const harness = opened(() => openApiHarness());
const copy = opened(() => harness.startCopy({ hashes: false }));
const client = opened(() => harness.newClient(['tokens:read']));

const validate = (changes: Partial<Parameters<typeof validateStaging>[0]> = {}) =>
  validateStaging({
    url: copy.url,
    client: { id: client.client_id, secret: client.client_secret },
    version: 'test',
    ...changes,
  });

test('a staging that runs the version and keeps its promises is accepted', () => validate());

test('a staging of another version, or whose client gets no token, blocks the release', async () => {
  await expect(validate({ version: '9.9.9' })).rejects.toThrow('it runs test, not 9.9.9');
  await expect(validate({ client: { id: client.client_id, secret: 'x' } })).rejects.toThrow(
    'gives its client no token',
  );
});

type Replace = (path: string, body: Record<string, unknown>) => Record<string, unknown>;

/** Passes requests on to the copy, and replaces what it answers. */
async function behind<T>(replace: Replace, work: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { host: _host, connection: _connection, 'content-length': _length, ...headers } = request.headers;
    const answer = await fetch(copy.url + request.url, {
      method: request.method ?? 'GET',
      headers: headers as Record<string, string>,
      ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
    });
    const body = replace(request.url ?? '', (await answer.json().catch(() => ({}))) as Record<string, unknown>);
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  try {
    return await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test.each<[string, Replace, string]>([
  [
    'accepts every token',
    (path, body) => (path === '/v1/tokens/validate' ? { active: true } : body),
    'accepts an unsigned token',
  ],
  [
    'accepts no token',
    (path, body) => (path === '/v1/tokens/validate' ? { active: false } : body),
    'refuses a token that it just issued',
  ],
  [
    'publishes a private key',
    (path, body) => (path.endsWith('jwks.json') ? { keys: [{ kid: 'a', d: 'secret' }] } : body),
    'private member',
  ],
  ['publishes no key', (path, body) => (path.endsWith('jwks.json') ? { keys: [] } : body), 'publishes no key'],
])('a staging that %s blocks the release', async (_what, replace, message) => {
  await behind(replace, (url) => expect(validate({ url })).rejects.toThrow(message));
});

test('a staging that does not revoke blocks the release', async () => {
  let asked = 0;
  const forgets: Replace = (path, body) => {
    if (path !== '/v1/tokens/validate') return body;
    asked += 1;
    return asked > 2 ? { active: true } : body;
  };
  await behind(forgets, (url) => expect(validate({ url })).rejects.toThrow('two seconds after it was revoked'));
});
