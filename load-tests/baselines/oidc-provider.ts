// PROCESS: oidc-provider with client credentials: a signed JWT, for which it stores nothing.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Provider } from 'oidc-provider';

type Command = {
  readonly id: number;
  readonly client: { readonly client_id: string; readonly client_secret: string };
  readonly algorithm: 'RS256' | 'ES256';
};

const RESOURCE = 'https://api.example';
const TTL_SECONDS = 900;

const newKey = (algorithm: Command['algorithm']): object => {
  const { privateKey } =
    algorithm === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2_048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), alg: algorithm, use: 'sig', kid: algorithm };
};

process.once('message', async ({ id, client, algorithm }: Command) => {
  const server = createServer((request, response) => handle(request, response));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const jwt = { sign: { alg: algorithm } };
  const resourceServer = { scope: '', accessTokenFormat: 'jwt', accessTokenTTL: TTL_SECONDS, jwt };
  const metadata = { redirect_uris: [], response_types: [], id_token_signed_response_alg: algorithm };
  const provider = new Provider(api, {
    clients: [{ ...client, ...metadata, grant_types: ['client_credentials'] }],
    ttl: { ClientCredentials: TTL_SECONDS },
    jwks: { keys: [newKey(algorithm)] },
    routes: { token: '/oauth2/token' },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        getResourceServerInfo: () => resourceServer,
      },
    },
  });
  const handle = provider.callback();
  process.send?.({ id, result: api });
});
process.on('disconnect', () => process.exit(0));
