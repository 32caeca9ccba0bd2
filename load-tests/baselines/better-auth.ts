// PROCESS: Better Auth with its OAuth provider, from the folder of its packages; each token is a row in PostgreSQL.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { answerCommands } from '../lib/answer-commands.ts';

type Command = { readonly folder: string; readonly url: string };

await answerCommands(async ({ folder, url }: Command) => {
  const { resolve } = createRequire(join(folder, 'package.json'));
  const load = (name: string) => import(resolve(name));
  const [{ betterAuth }, { getMigrations }, { toNodeHandler }, { jwt }, { oauthProvider }, { default: pg }] =
    await Promise.all(
      [
        'better-auth',
        'better-auth/db/migration',
        'better-auth/node',
        'better-auth/plugins',
        '@better-auth/oauth-provider',
        'pg',
      ].map(load),
    );
  const server = createServer((request, response) => handle(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const pool = new pg.Pool({ connectionString: url });
  // Its PostgreSQL stops with it.
  pool.on('error', () => {});
  const options = {
    baseURL: api,
    secret: randomBytes(32).toString('hex'),
    database: pool,
    rateLimit: { enabled: false },
    emailAndPassword: { enabled: true },
    logger: { level: 'error' },
    telemetry: { enabled: false },
    plugins: [
      jwt(),
      oauthProvider({
        loginPage: '/login',
        consentPage: '/consent',
        scopes: ['openid', 'read'],
        silenceWarnings: { oauthAuthServerConfig: true, openidConfig: true },
        rateLimit: { token: false },
        clientPrivileges: () => true,
      }),
    ],
  };
  await (await getMigrations(options)).runMigrations();
  const auth = betterAuth(options);
  const handle = toNodeHandler(auth);
  const owner = { name: 'Bench', email: 'bench@example.test', password: randomBytes(16).toString('hex') };
  const { headers: signedUp } = await auth.api.signUpEmail({ body: owner, returnHeaders: true });
  const cookie = signedUp
    .getSetCookie()
    .map((each: string) => each.split(';', 1)[0])
    .join('; ');
  const { client_id, client_secret } = await auth.api.adminCreateOAuthClient({
    headers: new Headers({ cookie }),
    body: {
      client_name: 'Bench',
      grant_types: ['client_credentials'],
      client_credentials_scopes: ['read'],
      token_endpoint_auth_method: 'client_secret_basic',
    },
  });
  return { api, client: { client_id, client_secret } };
});
