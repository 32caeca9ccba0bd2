import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

export type Staging = {
  readonly url: string;
  /** A client of staging that may use client credentials and revoke its own tokens. */
  readonly client: { readonly id: string; readonly secret: string };
  /** The version that must run there. */
  readonly version: string;
};

// biome-ignore lint/suspicious/noExplicitAny: answers are read as a client reads them
type Answer = { readonly status: number; readonly body: any };

/** A revoked token is refused everywhere this soon. */
const REVOCATION_BOUND_MS = 2_000;
const TIMEOUT_MS = 10_000;

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth'];

/**
 * The last security validation, over the network, of what is deployed to staging: the right version is ready, publishes
 * no private key, refuses forgeries and strangers, and refuses a token two seconds after it was revoked.
 * @throws what does not hold
 */
export async function validateStaging({ url, client, version }: Staging): Promise<void> {
  const ask = async (
    path: string,
    sent: { json?: unknown; form?: Record<string, string>; basic?: boolean } = {},
  ): Promise<Answer> => {
    const basic = `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`;
    const answer = await fetch(new URL(path, url), {
      method: sent.json === undefined && sent.form === undefined ? 'GET' : 'POST',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      redirect: 'error',
      headers: {
        ...(sent.json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(sent.basic ? { authorization: basic } : {}),
      },
      ...(sent.json === undefined ? {} : { body: JSON.stringify(sent.json) }),
      ...(sent.form === undefined ? {} : { body: new URLSearchParams(sent.form) }),
    });
    return { status: answer.status, body: await answer.json().catch(() => ({})) };
  };
  const must = (holds: boolean, what: string): void => {
    if (!holds) throw new Error(`staging ${url}: ${what}`);
  };
  const isActive = async (token: string): Promise<boolean> => {
    const { status, body } = await ask('/v1/tokens/validate', { json: { token } });
    must(status === 200, `validation answers ${status}`);
    return body.active === true;
  };

  must((await ask('/readyz')).status === 200, 'it is not ready');
  const running = (await ask('/openapi.json')).body.info?.version;
  must(running === version, `it runs ${running}, not ${version}`);
  const { keys = [] } = (await ask('/.well-known/jwks.json')).body;
  must(keys.length > 0, 'it publishes no key');
  for (const key of keys)
    must(
      PRIVATE_MEMBERS.every((member) => !(member in key)),
      `key ${key.kid} is published with a private member`,
    );

  const now = Math.floor(Date.now() / 1_000);
  const claims = { iss: url, aud: url, sub: 'x', jti: randomUUID(), iat: now, exp: now + 600 };
  must(!(await isActive(`${part({ alg: 'none', typ: 'at+jwt' })}.${part(claims)}.`)), 'it accepts an unsigned token');
  const forged = `${part({ alg: 'HS256', typ: 'at+jwt', kid: keys[0].kid })}.${part(claims)}.${part({})}`;
  must(!(await isActive(forged)), 'it accepts a forged token');
  must((await ask('/v1/keys')).status === 401, 'it lists keys for a stranger');
  const form = { grant_type: 'client_credentials' };
  must(
    (await ask('/oauth2/token', { form: { ...form, client_id: client.id, client_secret: randomUUID() } })).status >=
      400,
    'it takes a wrong secret',
  );

  const issued = await ask('/oauth2/token', { form, basic: true });
  must(issued.status === 200, `it gives its client no token (${issued.status})`);
  const token: string = issued.body.access_token;
  must(await isActive(token), 'it refuses a token that it just issued');
  must((await ask('/oauth2/revoke', { form: { token }, basic: true })).status === 200, 'it does not revoke a token');
  await sleep(REVOCATION_BOUND_MS);
  must(!(await isActive(token)), 'it accepts a token two seconds after it was revoked');
}
