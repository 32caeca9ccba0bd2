import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { randomFreePort } from '#services/platform/local/ports.ts';
import type { BenchContext } from '../lib/bench.ts';
import { cacheFolder, database, isCached, type PeerKind, post, prepare, serve } from './peer.ts';

const VERSION = '26.7.3';
const NAME = `keycloak-${VERSION}`;
const SHA256 = '27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f';
const COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy';

function requireJava(): void {
  try {
    execFileSync('java', ['-version'], { stdio: 'ignore' });
  } catch {
    throw new Error('Keycloak needs Java 17 or newer');
  }
}

/** What `kc.sh build` fixes for all later starts. */
const BUILD = { KC_DB: 'postgres', KC_CACHE: 'local' };

/** Its distribution, fetched once by Maven, unpacked and built for PostgreSQL; the archive goes last. */
async function home({ say }: BenchContext): Promise<string> {
  const path = join(cacheFolder, NAME);
  const archive = `keycloak-quarkus-dist-${VERSION}.zip`;
  if (isCached(NAME) && !isCached(archive)) return path;
  mkdirSync(cacheFolder, { recursive: true });
  say(`fetching ${NAME} by Maven into ${cacheFolder}`);
  const artifact = `-Dartifact=org.keycloak:keycloak-quarkus-dist:${VERSION}:zip`;
  await prepare(
    'Maven did not bring Keycloak',
    ['mvn', '-B', '-q', COPY, artifact, `-DoutputDirectory=${cacheFolder}`],
    { cwd: cacheFolder },
  );
  const zip = join(cacheFolder, archive);
  const sum = createHash('sha256').update(readFileSync(zip)).digest('hex');
  if (sum !== SHA256) throw new Error(`${NAME} has the hash ${sum}, not ${SHA256}`);
  await prepare('Keycloak was not unpacked', ['unzip', '-q', '-o', zip, '-d', cacheFolder], { cwd: cacheFolder });
  await prepare('Keycloak was not built', [join(path, 'bin/kc.sh'), 'build'], { cwd: path, env: BUILD });
  rmSync(zip);
  return path;
}

export const keycloak: PeerKind = {
  name: 'Keycloak',
  settings: `${VERSION}: kc.sh start --optimized (production mode), PostgreSQL, local cache, heap of 1 GB, log level warn, plain HTTP, RS256; client_credentials.use_refresh_token, without which it writes nothing for a client: a session of user and client in PostgreSQL for each token`,
  async start(context) {
    requireJava();
    const distribution = await home(context);
    const { url, pid, folder } = await database(context);
    const { username, password, host, pathname } = new URL(url);
    const api = `http://127.0.0.1:${await randomFreePort()}`;
    const admin = randomBytes(12).toString('hex');
    const server = await serve(context, [join(distribution, 'bin/kc.sh'), 'start', '--optimized'], {
      env: {
        ...BUILD,
        KC_DB_URL: `jdbc:postgresql://${host}${pathname}`,
        KC_DB_USERNAME: username,
        KC_DB_PASSWORD: decodeURIComponent(password),
        KC_HTTP_ENABLED: 'true',
        KC_HTTP_HOST: '127.0.0.1',
        KC_HTTP_PORT: new URL(api).port,
        KC_HOSTNAME: api,
        KC_LOG_LEVEL: 'warn',
        KC_BOOTSTRAP_ADMIN_USERNAME: 'admin',
        KC_BOOTSTRAP_ADMIN_PASSWORD: admin,
        JAVA_OPTS_KC_HEAP: '-Xms1g -Xmx1g',
      },
      log: join(folder, 'keycloak.log'),
      readyUrl: `${api}/realms/master`,
    });
    const answer = await fetch(`${api}/realms/master/protocol/openid-connect/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', username: 'admin', password: admin }),
    });
    const { access_token: bearer } = (await answer.json()) as { readonly access_token: string };
    const client = { client_id: 'bench', client_secret: randomBytes(24).toString('hex') };
    await post(
      `${api}/admin/realms`,
      {
        realm: 'bench',
        enabled: true,
        sslRequired: 'none',
        clients: [
          {
            clientId: client.client_id,
            secret: client.client_secret,
            enabled: true,
            serviceAccountsEnabled: true,
            standardFlowEnabled: false,
            attributes: { 'client_credentials.use_refresh_token': 'true' },
          },
        ],
      },
      { authorization: `Bearer ${bearer}` },
    );
    return {
      api,
      path: '/realms/bench/protocol/openid-connect/token',
      client,
      pid: server.pid,
      productPids: [server.pid, pid],
      databaseUrl: url,
    };
  },
};
