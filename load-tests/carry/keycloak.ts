import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { each, type RunningProvider, type Wanted } from './provider.ts';

const READY_MS = 300_000;
/** One of its own for each run. */
const REALM = `carry-${Date.now().toString(36)}`;
const AUDIENCE = 'https://shop.example';
const PASSWORD = 'password of a load test';
/** People who sign in at once. */
const AT_ONCE = 16;
const USERS_PER_IMPORT = 500;
/** Signing in is not what is measured: one iteration of PBKDF2, and tokens that live for the run. */
const REALM_SETTINGS = {
  realm: REALM,
  enabled: true,
  passwordPolicy: 'hashAlgorithm(pbkdf2-sha512) and hashIterations(1)',
  accessTokenLifespan: 36_000,
  ssoSessionIdleTimeout: 36_000,
  clients: [
    {
      clientId: 'app',
      enabled: true,
      publicClient: true,
      directAccessGrantsEnabled: true,
      // Tokens of Keycloak name no audience by themselves.
      protocolMappers: [
        {
          name: 'audience',
          protocol: 'openid-connect',
          protocolMapper: 'oidc-audience-mapper',
          config: { 'included.custom.audience': AUDIENCE, 'access.token.claim': 'true' },
        },
      ],
    },
  ],
};

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

async function call(url: string, init: RequestInit): Promise<unknown> {
  const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(120_000) });
  const text = await answer.text();
  if (!answer.ok)
    throw new Error(`${init.method ?? 'GET'} ${new URL(url).pathname}: ${answer.status} ${text.slice(0, 300)}`);
  return text === '' ? undefined : JSON.parse(text);
}

/**
 * Starts a Keycloak, signs people in, exports its realm as `kc.sh export` does, and starts it again: its sessions are in
 * its database.
 * @param home a distribution: Maven has `org.keycloak:keycloak-quarkus-dist`
 */
export async function startKeycloak(home: string, { users, sessions, folder, say }: Wanted): Promise<RunningProvider> {
  const at = `http://127.0.0.1:${await freePort()}`;
  const log = openSync(join(folder, 'keycloak.log'), 'a');
  const kc = (...args: readonly string[]): ChildProcess =>
    spawn(join(home, 'bin/kc.sh'), args, {
      stdio: ['ignore', log, log],
      env: {
        ...process.env,
        KC_BOOTSTRAP_ADMIN_USERNAME: 'admin',
        KC_BOOTSTRAP_ADMIN_PASSWORD: 'admin',
        JAVA_OPTS_KC_HEAP: '-Xms256m -Xmx1024m',
      },
    });
  let server: ChildProcess | undefined;
  const stop = async (): Promise<void> => {
    if (server === undefined || server.exitCode !== null) return;
    server.kill('SIGTERM');
    await once(server, 'exit');
  };
  const start = async (): Promise<void> => {
    server = kc('start-dev', `--http-port=${new URL(at).port}`, '--http-host=127.0.0.1', `--hostname=${at}`);
    for (const until = Date.now() + READY_MS; ; await sleep(1_000)) {
      if ((await fetch(`${at}/realms/master`).catch(() => undefined))?.ok) return;
      if (server.exitCode !== null || Date.now() > until)
        throw new Error(`Keycloak did not start: ${folder}/keycloak.log`);
    }
  };
  const tokenOf = async (realm: string, fields: Readonly<Record<string, string>>): Promise<string> => {
    const body = new URLSearchParams({ grant_type: 'password', ...fields });
    const answer = await call(`${at}/realms/${realm}/protocol/openid-connect/token`, { method: 'POST', body });
    return (answer as { readonly access_token: string }).access_token;
  };
  const administer = async (path: string, value: unknown): Promise<void> => {
    const token = await tokenOf('master', { client_id: 'admin-cli', username: 'admin', password: 'admin' });
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    await call(`${at}/admin/realms${path}`, { method: 'POST', headers, body: JSON.stringify(value) });
  };
  try {
    say('starting Keycloak');
    await start();
    await administer('', REALM_SETTINGS);
    for (let from = 0; from < users; from += USERS_PER_IMPORT)
      await administer(`/${REALM}/partialImport`, {
        ifResourceExists: 'SKIP',
        users: Array.from({ length: Math.min(USERS_PER_IMPORT, users - from) }, (_, n) => ({
          username: `user${from + n}`,
          email: `user${from + n}@keycloak.test`,
          firstName: 'User',
          lastName: String(from + n),
          enabled: true,
          emailVerified: true,
          credentials: [{ type: 'password', value: PASSWORD }],
        })),
      });
    say(`signing ${sessions} sessions in`);
    const tokens: string[] = [];
    await each(sessions, AT_ONCE, async (n) => {
      tokens.push(
        await tokenOf(REALM, { client_id: 'app', scope: 'openid', username: `user${n % users}`, password: PASSWORD }),
      );
    });
    say('exporting the realm, and starting Keycloak again');
    await stop();
    const exportFile = join(folder, 'realm.json');
    const [code] = await once(kc('export', '--realm', REALM, '--users', 'same_file', '--file', exportFile), 'exit');
    if (code !== 0) throw new Error(`kc.sh export ended with ${code}: ${folder}/keycloak.log`);
    await start();
    const issuer = `${at}/realms/${REALM}`;
    return {
      name: 'Keycloak',
      kind: 'keycloak',
      exportFile,
      settings: {
        LEGACY_ISSUER: issuer,
        LEGACY_JWKS_URI: `${issuer}/protocol/openid-connect/certs`,
        LEGACY_AUDIENCE: AUDIENCE,
        LEGACY_PROVIDER: 'keycloak',
      },
      tokens,
      stop,
    };
  } catch (err) {
    await stop();
    throw err;
  }
}
