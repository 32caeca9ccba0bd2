import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { toNodeHandler } from 'better-auth/node';
import { bearer, jwt } from 'better-auth/plugins';
import { each, type RunningProvider, type Wanted } from './provider.ts';

const PASSWORD = 'password of a load test';
const AT_ONCE = 16;
const digest = (password: string): string => createHash('sha256').update(password).digest('hex');

type Row = Readonly<Record<string, unknown>>;

/** Serves Better Auth with its plugins `jwt` and `bearer`, and signs people in over HTTP. */
export async function startBetterAuth({ users, sessions, folder, say }: Wanted): Promise<RunningProvider> {
  const tables: Record<string, Row[]> = { user: [], session: [], account: [], verification: [], jwks: [] };
  let handler: ReturnType<typeof toNodeHandler> | undefined;
  const server = createServer((request, response) => void handler?.(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const at = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const auth = betterAuth({
    baseURL: at,
    secret: randomBytes(32).toString('hex'),
    database: memoryAdapter(tables),
    rateLimit: { enabled: false },
    // Signing in is not what is measured.
    emailAndPassword: {
      enabled: true,
      password: {
        hash: async (password) => digest(password),
        verify: async ({ hash, password }) => hash === digest(password),
      },
    },
    plugins: [
      bearer(),
      jwt({
        jwks: { keyPairConfig: { alg: 'ES256' } },
        jwt: {
          expirationTime: '10h',
          definePayload: ({ user, session }) => ({ sid: session.id, email: user.email, email_verified: true }),
        },
      }),
    ],
  });
  handler = toNodeHandler(auth);
  const post = async (path: string, body: object): Promise<Response> => {
    const answer = await fetch(`${at}/api/auth${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: at },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`POST ${path}: ${answer.status} ${(await answer.text()).slice(0, 300)}`);
    return answer;
  };
  const emailOf = (n: number): string => `user${n}@better-auth.test`;
  await each(users, AT_ONCE, async (n) => {
    await post('/sign-up/email', { email: emailOf(n), name: `User ${n}`, password: PASSWORD });
  });
  say(`signing ${sessions} sessions in`);
  const tokens: string[] = [];
  await each(sessions, AT_ONCE, async (n) => {
    const signedIn = await post('/sign-in/email', { email: emailOf(n % users), password: PASSWORD });
    await signedIn.arrayBuffer();
    const authorization = `Bearer ${signedIn.headers.get('set-auth-token')}`;
    const answer = await fetch(`${at}/api/auth/token`, { headers: { authorization } });
    tokens.push(((await answer.json()) as { readonly token: string }).token);
  });
  const exportFile = join(folder, 'better-auth.json');
  const verified = (tables.user ?? []).map((user) => ({ ...user, emailVerified: true }));
  await writeFile(exportFile, JSON.stringify({ user: verified, account: [] }));
  return {
    name: 'Better Auth',
    kind: 'better-auth',
    exportFile,
    settings: {
      LEGACY_ISSUER: at,
      LEGACY_JWKS_URI: `${at}/api/auth/jwks`,
      LEGACY_AUDIENCE: at,
      LEGACY_PROVIDER: 'better-auth',
    },
    tokens,
    stop: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
