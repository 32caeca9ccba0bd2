import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Json } from '#tools/testing/http-client.ts';

type VaultAnswer = { readonly status: number; readonly body: Json };
type Exchange = VaultAnswer & { readonly asked: string };

export type RealVault = {
  readonly url: string;
  readonly rootToken: string;
  readonly unsealKey: string;
  /** As the root token, if it succeeds. */
  admin(method: string, path: string, body?: Json): Promise<Json>;
  /** Requests of the record that no test has sent. */
  unasked(): readonly string[];
  close(): Promise<void>;
};

/** One request to the HTTP API of a Vault, real or fake. Follows no redirect. */
export async function askVault(
  url: string,
  token: string,
  { method = 'POST', path, body }: { readonly method?: string; readonly path: string; readonly body?: Json },
): Promise<VaultAnswer> {
  const headers = { 'x-vault-token': token, 'content-type': 'application/json' };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(`${url}/v1/${path}`, { method, headers, redirect: 'manual', ...sent });
  const text = await response.text();
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) };
}

const FILE = new URL('./vault-answers.json', import.meta.url);
const [ROOT, UNSEAL] = ['root', 'unseal key'];

type Answering = (request: IncomingMessage, text: string, asked: string) => VaultAnswer | Promise<VaultAnswer>;

/** Answers a request as the recorded server did: the first time with its first answer, then with its next. */
function replay(left: Exchange[]): Answering {
  return (_request, _text, asked) => {
    const at = left.findIndex((exchange) => exchange.asked === asked);
    if (at < 0) throw new Error(`record the answers again: none for ${asked}`);
    return left.splice(at, 1)[0] as Exchange;
  };
}

/** Asks a real server, and keeps its answers. Its secrets stay here: tests and the record have names for them. */
function record(address: string, secrets: Map<string, string>, kept: Exchange[]): Answering {
  return async (request, text, asked) => {
    const token = String(request.headers['x-vault-token']);
    const answer = await fetch(address + request.url, {
      method: request.method as string,
      headers: { 'x-vault-token': secrets.get(token) ?? token, 'x-vault-request': 'true' },
      redirect: 'manual',
      ...(text === '' ? {} : { body: text.replace(UNSEAL, secrets.get(UNSEAL) as string) }),
    });
    const body = JSON.parse((await answer.text()) || '{}') as Json;
    if (body.auth?.client_token) {
      secrets.set(body.auth.policies[0], body.auth.client_token);
      body.auth.client_token = body.auth.policies[0];
    }
    kept.push({ asked, status: answer.status, body });
    return { status: answer.status, body };
  };
}

/**
 * The answers of a real server, as recorded. To record them again, start `vault server -dev`, and run
 * the test with its address, root token and unseal key in RECORD_VAULT, separated by spaces.
 */
export async function startRealVault(): Promise<RealVault> {
  const [address, root = '', unseal = ''] = process.env.RECORD_VAULT?.split(' ') ?? [];
  const exchanges: Exchange[] = address === undefined ? JSON.parse(readFileSync(FILE, 'utf8')) : [];
  const secrets = new Map([
    [ROOT, root],
    [UNSEAL, unseal],
  ]);
  const answering = address === undefined ? replay(exchanges) : record(address, secrets, exchanges);
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    const asked = `${request.method} ${request.url} as ${request.headers['x-vault-token']} ${text}`.trimEnd();
    try {
      const { status, body } = await answering(request, text, asked);
      response.writeHead(status).end(JSON.stringify(body));
    } catch (err) {
      response.writeHead(599).end(JSON.stringify({ errors: [(err as Error).message] }));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    rootToken: ROOT,
    unsealKey: UNSEAL,
    async admin(method, path, body) {
      const answer = await askVault(url, ROOT, { method, path, ...(body === undefined ? {} : { body }) });
      if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      return answer.body;
    },
    unasked: () => (address === undefined ? exchanges.map(({ asked }) => asked) : []),
    async close() {
      if (address !== undefined)
        writeFileSync(FILE, `[\n${exchanges.map((each) => JSON.stringify(each)).join(',\n')}\n]\n`);
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
