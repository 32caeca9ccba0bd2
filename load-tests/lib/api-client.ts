import { setTimeout as sleep } from 'node:timers/promises';
import { basic, type ClientCredentials } from './workloads.ts';

export type Tokens = { readonly access_token: string; readonly refresh_token: string };

/** Preparation waits this often for a product that asks it to come back: on a busy machine its stores can be slow. */
const TRIES = 10;

async function post(url: string, headers: Record<string, string>, body: string, expected: number): Promise<unknown> {
  for (let tried = 1; ; tried += 1) {
    const answer = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(30_000) });
    const text = await answer.text();
    if (answer.status === expected) return JSON.parse(text);
    if (answer.status !== 503 || tried === TRIES)
      throw new Error(`POST ${new URL(url).pathname}: ${answer.status} ${text.slice(0, 300)}`);
    await sleep(Number(answer.headers.get('retry-after') ?? 1) * 1_000);
  }
}

const json = { 'content-type': 'application/json' };

/** Calls that prepare a measurement; each throws when it is not answered as expected. */
export const signIn = (
  api: string,
  login: { readonly email: string; readonly password: string },
): Promise<{ user: { id: string }; tokens: Tokens }> =>
  post(
    `${api}/api/auth/signin`,
    json,
    JSON.stringify({ email: login.email, password: login.password }),
    200,
  ) as Promise<{ user: { id: string }; tokens: Tokens }>;

export const clientToken = async (api: string, client: ClientCredentials): Promise<string> => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded', ...basic(client) };
  const answer = await post(`${api}/oauth2/token`, headers, 'grant_type=client_credentials', 200);
  return (answer as Tokens).access_token;
};

export const issue = (api: string, client: ClientCredentials, userId: string): Promise<Tokens> =>
  post(`${api}/v1/tokens`, { ...json, ...basic(client) }, JSON.stringify({ user_id: userId }), 201) as Promise<Tokens>;

export const refresh = (api: string, refreshToken: string): Promise<Tokens> =>
  post(`${api}/v1/tokens/refresh`, json, JSON.stringify({ refresh_token: refreshToken }), 200) as Promise<Tokens>;

export const validate = (
  api: string,
  token: string,
): Promise<{ active: boolean; reason?: string; claims?: Record<string, unknown> }> =>
  post(`${api}/v1/tokens/validate`, json, JSON.stringify({ token }), 200) as Promise<{ active: boolean }>;

export const revoke = (api: string, client: ClientCredentials, token: string): Promise<{ epoch: number }> =>
  post(
    `${api}/v1/tokens/revoke`,
    { ...json, ...basic(client) },
    JSON.stringify({ token, reason: 'load test' }),
    200,
  ) as Promise<{ epoch: number }>;
