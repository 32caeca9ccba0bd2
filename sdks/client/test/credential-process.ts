// For tests only: one of many processes that share a store. Each round uses up the access token of the last.
import { once } from 'node:events';
import { openCredentialStore } from '../src/credentials.ts';
import { createClient } from '../src/index.ts';

const { STORE: path = '', API: url = '', VIA = '', CLIENT_ID: clientId = '', ROUNDS } = process.env;

/** Reaches the API at another address, and says which process asks. */
const via = (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
  const request = new Request(input, init);
  request.headers.set('x-pid', String(process.pid));
  return fetch(new Request(request.url.replace(url, VIA), request));
};
const store = openCredentialStore({ path, url, clientId, timeout: 60, lockTimeout: 600, fetch: via });
process.stdout.write('ready\n');
await once(process.stdin, 'data');
for (let round = 0; round < Number(ROUNDS); round += 1) await store.accessToken(await store.accessToken());
const me = await createClient({ url, fetch: store.fetch })('GET /oauth2/userinfo');
process.stdout.write(`${me.ok ? me.data.sub : me.code}\n`);
process.stdin.destroy();
