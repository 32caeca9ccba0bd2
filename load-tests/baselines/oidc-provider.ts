// PROCESS: oidc-provider with signed access tokens. It stores nothing for client credentials; refresh tokens it keeps in
// its own memory, and rotates each.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Provider } from 'oidc-provider';
import { answerCommands } from '../lib/answer-commands.ts';

type Command = {
  readonly client: { readonly client_id: string; readonly client_secret: string };
  readonly algorithm: 'RS256' | 'ES256';
  /** How many refresh tokens to hand out, each the head of a chain; their scope has no `openid`, so no ID token. */
  readonly families?: number;
};

const RESOURCE = 'https://api.example';
const SCOPE = 'read';
const TTL_SECONDS = 900;
const REFRESH_SECONDS = 86_400;

type Stored = Record<string, unknown> & { readonly grantId?: string };
const stored = new Map<string, Stored>();

/** The package's own store forgets all but the latest thousand records: whole chains in between two runs. */
class MemoryAdapter {
  readonly #kind: string;
  constructor(kind: string) {
    this.#kind = kind;
  }
  #key = (id: string): string => `${this.#kind}:${id}`;
  async upsert(id: string, value: Stored): Promise<void> {
    stored.set(this.#key(id), value);
  }
  async find(id: string): Promise<Stored | undefined> {
    return stored.get(this.#key(id));
  }
  async consume(id: string): Promise<void> {
    stored.set(this.#key(id), { ...stored.get(this.#key(id)), consumed: Math.floor(Date.now() / 1_000) });
  }
  async destroy(id: string): Promise<void> {
    stored.delete(this.#key(id));
  }
  async revokeByGrantId(grantId: string): Promise<void> {
    for (const [key, value] of stored) if (value.grantId === grantId) stored.delete(key);
  }
}

const newKey = (algorithm: Command['algorithm']): object => {
  const { privateKey } =
    algorithm === 'RS256'
      ? generateKeyPairSync('rsa', { modulusLength: 2_048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), alg: algorithm, use: 'sig', kid: algorithm };
};

await answerCommands(async ({ client, algorithm, families = 0 }: Command) => {
  const server = createServer((request, response) => handle(request, response));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const jwt = { sign: { alg: algorithm } };
  const resourceServer = { scope: SCOPE, accessTokenFormat: 'jwt', accessTokenTTL: TTL_SECONDS, jwt };
  const metadata = { redirect_uris: [], response_types: [], id_token_signed_response_alg: algorithm };
  const provider = new Provider(api, {
    clients: [{ ...client, ...metadata, grant_types: ['client_credentials', 'refresh_token'] }],
    ttl: {
      ClientCredentials: TTL_SECONDS,
      AccessToken: TTL_SECONDS,
      RefreshToken: REFRESH_SECONDS,
      Grant: REFRESH_SECONDS,
    },
    adapter: MemoryAdapter,
    rotateRefreshToken: true,
    findAccount: (_context: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
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
  const heads = Array.from({ length: families }, async (_, n) => {
    const accountId = `user-${n}`;
    const grant = new provider.Grant({ clientId: client.client_id, accountId });
    grant.addResourceScope(RESOURCE, SCOPE);
    const about = { accountId, scope: SCOPE, resource: RESOURCE, gty: 'authorization_code', authTime: 0 };
    const owner = await provider.Client.find(client.client_id);
    return new provider.RefreshToken({ ...about, client: owner, grantId: await grant.save() }).save();
  });
  return { api, heads: await Promise.all(heads) };
});
