import { randomBytes } from 'node:crypto';
import type { Product } from '#tools/testing/harness/product.ts';
import { basicHeader, cookieOf, type Received, type Sent, send } from '#tools/testing/http-client.ts';

export type Target = Pick<Product, 'api' | 'credentials'>;

/** A caller: the headers of its requests, and whether they are still accepted. */
export type Requester = { readonly headers: readonly string[]; isAlive(): Promise<boolean> };

type Login = { readonly email: string; readonly password: string };

/** Sends a request that must succeed; throws for any other response. */
async function ask(api: string, method: string, path: string, sent: Sent): Promise<Received> {
  const answer = await send(api, method, path, sent);
  if (answer.status >= 300) throw new Error(`${method} ${path} was refused: ${answer.status} ${answer.text}`);
  return answer;
}

const signIn = (api: string, login: Login): Promise<Received> => ask(api, 'POST', '/api/auth/signin', { json: login });

const bearerOf = async (api: string, login: Login): Promise<string> =>
  (await signIn(api, login)).body.tokens.access_token as string;

const opens = (api: string, path: string, sent: Sent) => async (): Promise<boolean> =>
  (await send(api, 'GET', path, sent)).status === 200;

async function asPerson({ api }: Target, login: Login): Promise<Requester> {
  const bearer = await bearerOf(api, login);
  return { headers: [`Authorization: Bearer ${bearer}`], isAlive: opens(api, '/api/auth/user', { bearer }) };
}

/** A browser on one of our pages. */
async function asBrowser({ api, credentials }: Target): Promise<Requester> {
  const cookie = cookieOf(await signIn(api, credentials.user));
  return {
    headers: [`Cookie: ${cookie}`, `Origin: ${api}`],
    isAlive: opens(api, '/api/auth/session', { cookie }),
  };
}

/** A new account to which an administrator has granted one role besides `user`. */
const asHolderOf =
  (role: string) =>
  async (target: Target): Promise<Requester> => {
    const { api, credentials } = target;
    const login = {
      email: `fuzz-${role}-${randomBytes(4).toString('hex')}@example.test`,
      password: `fuzz ${randomBytes(12).toString('base64url')}`,
    };
    const { body } = await ask(api, 'POST', '/api/auth/signup', { json: login });
    const path = `/v1/admin/users/${body.user.id}/roles/${role}`;
    await ask(api, 'PUT', path, { bearer: await bearerOf(api, credentials.admin), json: { reason: 'fuzzing' } });
    return asPerson(target, login);
  };

/** A key with every permission that an administrator may grant. */
async function asApiKey({ api, credentials }: Target): Promise<Requester> {
  const bearer = await bearerOf(api, credentials.admin);
  const { roles } = (await ask(api, 'GET', '/v1/admin/roles?limit=100', { bearer })).body;
  const { permissions } = roles.find(({ name }: { readonly name: string }) => name === 'admin');
  const json = { name: 'fuzzing', permissions, requests_per_minute: 60_000 };
  const headers = { 'x-api-key': (await ask(api, 'POST', '/v1/api-keys', { bearer, json })).body.secret as string };
  return { headers: [`X-API-Key: ${headers['x-api-key']}`], isAlive: opens(api, '/v1/keys', { headers }) };
}

async function asClient({ api, credentials: { client } }: Target): Promise<Requester> {
  return { headers: [`Authorization: ${basicHeader(client)}`], isAlive: opens(api, '/v1/keys', { basic: client }) };
}

/** The callers by name, in the order of the run. */
export const REQUESTERS = {
  anonymous: async (): Promise<Requester> => ({ headers: [], isAlive: async () => true }),
  user: (target: Target) => asPerson(target, target.credentials.user),
  browser: asBrowser,
  auditor: asHolderOf('auditor'),
  agent: asHolderOf('agent'),
  compliance: asHolderOf('compliance'),
  operator: asHolderOf('operator'),
  admin: (target: Target) => asPerson(target, target.credentials.admin),
  'api-key': asApiKey,
  client: asClient,
} as const;

export type RequesterName = keyof typeof REQUESTERS;
