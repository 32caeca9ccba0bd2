import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { randomFreePort } from '#services/platform/local/ports.ts';
import type { BenchContext } from '../lib/bench.ts';
import { cacheFolder, database, isCached, type PeerKind, post, prepare, serve } from './peer.ts';

const VERSION = 'v2.3.0';
const MODULE = `github.com/ory/hydra/v2@${VERSION}`;
const SUM = 'h1:bPs5MOWmYLZ9C3oQFhhjnaBrExUgF/zf3u1AJVlR//4=';
/** Its module leaves the folder out that this line points to; the published module is the same client. */
const REPLACE = 'replace github.com/ory/hydra-client-go/v2 => ./internal/httpclient\n';
const CLIENT_SUMS = [
  'github.com/ory/hydra-client-go/v2 v2.2.1 h1:m1821pIX6ybG/3oSAn2wtrbBKNwe9q5A8fLljYuLpBk=',
  'github.com/ory/hydra-client-go/v2 v2.2.1/go.mod h1:K83R+iK40+5uF2uQ34yRUrf9izRvFsza9pG2Se5qMmk=',
];
const BINARY = `hydra-${VERSION}`;
const go = process.env.GO ?? 'go';

function module(): { readonly Dir: string; readonly Sum: string } {
  try {
    return JSON.parse(execFileSync(go, ['mod', 'download', '-json', MODULE], { encoding: 'utf8' }));
  } catch (err) {
    throw new Error(`without Go and its module proxy Hydra cannot be built: ${(err as Error).message.split('\n')[0]}`);
  }
}

/** Built once from its Go module; the hashes of all modules are those of its `go.sum`. */
async function binary({ say }: BenchContext): Promise<string> {
  const path = join(cacheFolder, BINARY);
  if (isCached(BINARY)) return path;
  const { Dir, Sum } = module();
  if (Sum !== SUM) throw new Error(`${MODULE} has the hash ${Sum}, not ${SUM}`);
  say(`building ${MODULE} into ${cacheFolder}, which takes some minutes the first time`);
  const source = join(mkdtempSync(join(tmpdir(), 'sallyport-hydra-')), 'source');
  mkdirSync(cacheFolder, { recursive: true });
  cpSync(Dir, source, { recursive: true });
  for (const file of ['.', 'go.mod', 'go.sum']) chmodSync(join(source, file), 0o755);
  writeFileSync(join(source, 'go.mod'), readFileSync(join(source, 'go.mod'), 'utf8').replace(REPLACE, ''));
  appendFileSync(join(source, 'go.sum'), `${CLIENT_SUMS.join('\n')}\n`);
  const flags = ['-mod=readonly', '-buildvcs=false', '-ldflags=-s -w'];
  await prepare('Hydra was not built', [go, 'build', ...flags, '-o', path, '.'], { cwd: source });
  await prepare('removing the source of Hydra', ['chmod', '-R', 'u+w', source], { cwd: cacheFolder });
  rmSync(dirname(source), { recursive: true, force: true });
  return path;
}

export const hydra: PeerKind = {
  name: 'Ory Hydra',
  settings: `${VERSION}: JWT access tokens (RS256) with their row in PostgreSQL, up to 150 connections (it takes two a request; with fewer it stops), log level error, plain HTTP, client secret hashed with one iteration of PBKDF2 instead of 25,000, which would cost more than the token`,
  async start(context) {
    const program = await binary(context);
    const { url, pid, folder } = await database(context);
    const [port, adminPort] = [await randomFreePort(), await randomFreePort()];
    const api = `http://127.0.0.1:${port}`;
    const env = {
      DSN: `${url}?sslmode=disable&max_conns=150&max_idle_conns=150`,
      SECRETS_SYSTEM: randomBytes(16).toString('hex'),
      URLS_SELF_ISSUER: api,
      SERVE_PUBLIC_HOST: '127.0.0.1',
      SERVE_PUBLIC_PORT: String(port),
      SERVE_ADMIN_HOST: '127.0.0.1',
      SERVE_ADMIN_PORT: String(adminPort),
      STRATEGIES_ACCESS_TOKEN: 'jwt',
      OAUTH2_HASHERS_PBKDF2_ITERATIONS: '1',
      LOG_LEVEL: 'error',
      SQA_OPT_OUT: 'true',
    };
    const log = join(folder, 'hydra.log');
    await prepare('the tables of Hydra', [program, 'migrate', 'sql', '-e', '--yes'], { cwd: folder, env, log });
    // Without --dev it insists on TLS, which neither side of the comparison has.
    const server = await serve(context, [program, 'serve', 'all', '--dev'], {
      env,
      log,
      readyUrl: `${api}/health/ready`,
    });
    const client = { client_id: '', client_secret: randomBytes(24).toString('hex') };
    const made = await post(`http://127.0.0.1:${adminPort}/admin/clients`, {
      client_secret: client.client_secret,
      grant_types: ['client_credentials'],
      token_endpoint_auth_method: 'client_secret_basic',
    });
    client.client_id = (made as { readonly client_id: string }).client_id;
    return { api, path: '/oauth2/token', client, pid: server.pid, productPids: [server.pid, pid], databaseUrl: url };
  },
};
