import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const TOKENS = 4_000;
const LIFE_SECONDS = 3_600;
const ENTRIES_PER_PART = 5_000;
const KID = 'bench-key';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: KID, alg: 'RS256', use: 'sig' };
const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const nowSeconds = (): number => Math.floor(Date.now() / 1_000);

function signed(typ: string, payload: object): string {
  const input = `${encoded({ alg: 'RS256', kid: KID, typ })}.${encoded(payload)}`;
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}

/** A token of a sign-in, at its usual size. */
const mint = (issuer: string): string =>
  signed('at+jwt', {
    ...{ iss: issuer, aud: issuer, client_id: 'sallyport', jti: randomUUID(), sub: randomUUID(), sid: randomUUID() },
    ...{
      iat: nowSeconds(),
      exp: nowSeconds() + LIFE_SECONDS,
      auth_time: nowSeconds(),
      fid: randomUUID(),
      ue: 0,
      ce: 0,
    },
    ...{ scope: 'openid profile email offline_access', roles: ['user'], permissions: [] },
    ...{ email: 'user@example.test', email_verified: true },
  });

const feedPart = (issuer: string, since: number, entries: number, isComplete: boolean): string =>
  signed('revocations+jwt', {
    ...{ iss: issuer, incarnation: 'a', since, epoch: since + entries, issued_at: Date.now() / 1_000 },
    ...{ complete: isComplete, max_staleness_s: isComplete ? 2 : 0 },
    entries: Array.from({ length: entries }, (_, at) => ({
      ...{ epoch: since + at + 1, kind: 'jti', value: randomUUID(), expires_at: nowSeconds() + LIFE_SECONDS },
    })),
  });

/** What verifiers of every language need to measure themselves: keys, a feed, and tokens at `/tokens`. */
export type BenchIssuer = { readonly url: string; readonly close: () => void };

/**
 * @param options.revocations live ones in its feed
 * @param options.tokens how many it mints when they are first read
 */
export async function startBenchIssuer({
  revocations = 0,
  tokens = TOKENS,
}: {
  readonly revocations?: number;
  readonly tokens?: number;
} = {}): Promise<BenchIssuer> {
  let minted: string | undefined;
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', url);
    const answerOf: Readonly<Record<string, () => string>> = {
      '/.well-known/jwks.json': () => JSON.stringify({ keys: [jwk] }),
      '/tokens': () => {
        minted ??= JSON.stringify(Array.from({ length: tokens }, () => mint(url)));
        return minted;
      },
      '/v1/revocations': () => {
        const since = Number(searchParams.get('since'));
        const left = revocations - since;
        return feedPart(url, since, Math.min(ENTRIES_PER_PART, left), left <= ENTRIES_PER_PART);
      },
    };
    response.statusCode = pathname in answerOf ? 200 : 404;
    response.end(answerOf[pathname]?.());
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}
