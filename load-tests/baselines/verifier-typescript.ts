// PROCESS: raw jose and `@sallyport/verifier` on the same tokens, and the memory of live revocations.
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { importJWK, jwtVerify } from 'jose';
import { createVerifier, type Verifier, type VerifierOptions } from '#sdks/typescript/src/index.ts';
import type { RawSpeed } from './raw-crypto.ts';

type Operation = 'jose' | 'fresh' | 'repeated';
type Command = { readonly id: number } & (
  | { readonly operation: Operation; readonly seconds: number }
  | { readonly operation: 'memory'; readonly entries: number }
);

export type MemoryMeasured = { readonly entries: number; readonly heapBytes: number };

const ISSUER = 'http://127.0.0.1:3000';
const TOKENS = 4_000;
const REPEATED_TOKENS = 1_000;
const IN_FLIGHT = 16;
const ENTRIES_PER_PART = 5_000;
const KID = 'bench-key';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: KID, alg: 'RS256', use: 'sig' };
const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function signed(typ: string, payload: object): string {
  const input = `${encoded({ alg: 'RS256', kid: KID, typ })}.${encoded(payload)}`;
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}

const nowSeconds = (): number => Math.floor(Date.now() / 1_000);

/** A token of a sign-in, at its usual size. */
const mint = (): string =>
  signed('at+jwt', {
    ...{ iss: ISSUER, aud: ISSUER, sub: randomUUID(), client_id: 'sallyport', jti: randomUUID(), sid: randomUUID() },
    ...{ iat: nowSeconds(), exp: nowSeconds() + 3_600, auth_time: nowSeconds(), fid: randomUUID(), ue: 0, ce: 0 },
    ...{ scope: 'openid profile email offline_access', roles: ['user'], permissions: [] },
    ...{ email: 'user@example.test', email_verified: true },
  });

const feedPart = (since: number, entries: number, complete: boolean): string =>
  signed('revocations+jwt', {
    ...{ iss: ISSUER, incarnation: 'a', since, epoch: since + entries, issued_at: Date.now() / 1_000, complete },
    max_staleness_s: complete ? 2 : 0,
    entries: Array.from({ length: entries }, (_, at) => ({
      ...{ epoch: since + at + 1, kind: 'jti', value: randomUUID(), expires_at: nowSeconds() + 3_600 },
    })),
  });

/** A verifier whose requests are answered here. Revocations are read once, and do not grow stale. */
async function verifierOf(partAt: (since: number) => string, changes: Partial<VerifierOptions> = {}) {
  const verifier = createVerifier({
    ...{ issuer: ISSUER, clientId: 'a', clientSecret: 'b', feedInterval: 60, maxStale: 86_400 },
    fetch: async (input) => {
      const url = new URL(String(input));
      if (url.pathname.endsWith('jwks.json')) return Response.json({ keys: [jwk] });
      return new Response(partAt(Number(url.searchParams.get('since'))));
    },
    ...changes,
  });
  await verifier.ready();
  return verifier;
}

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** Works through the tokens, some at once, and adds up time and CPU time. */
async function pass(tokens: readonly string[], use: (token: string) => Promise<unknown>): Promise<RawSpeed> {
  const [startedMs, cpuBefore] = [performance.now(), cpuSeconds()];
  let at = 0;
  const lane = async (): Promise<void> => {
    while (at < tokens.length) {
      at += 1;
      await use(tokens[at - 1] as string);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  return {
    operations: tokens.length,
    seconds: (performance.now() - startedMs) / 1_000,
    cpuSeconds: cpuSeconds() - cpuBefore,
  };
}

const tokens = Array.from({ length: TOKENS }, mint);
const quietFeed = feedPart(0, 0, true);

const usedBy =
  (verifier: Verifier) =>
  async (token: string): Promise<void> => {
    const { code } = await verifier.verify(token);
    if (code !== 'active') throw new Error(`the verifier answered ${code}`);
  };

async function passOf(operation: Operation): Promise<RawSpeed> {
  if (operation === 'jose') {
    const key = await importJWK(jwk, 'RS256');
    const options = { issuer: ISSUER, audience: ISSUER, typ: 'at+jwt', algorithms: ['RS256'], clockTolerance: 5 };
    return pass(tokens, (token) => jwtVerify(token, key, options));
  }
  const verifier = await verifierOf(() => quietFeed);
  try {
    if (operation === 'fresh') return await pass(tokens, usedBy(verifier));
    const known = tokens.slice(0, REPEATED_TOKENS);
    await pass(known, usedBy(verifier));
    return await pass(Array.from({ length: 100 }, () => known).flat(), usedBy(verifier));
  } finally {
    verifier.close();
  }
}

async function speedOf(operation: Operation, seconds: number): Promise<RawSpeed> {
  const sum = { operations: 0, seconds: 0, cpuSeconds: 0 };
  while (sum.seconds < seconds) {
    const one = await passOf(operation);
    sum.operations += one.operations;
    sum.seconds += one.seconds;
    sum.cpuSeconds += one.cpuSeconds;
  }
  return sum;
}

/** The heap that live revocations hold, after a collection. */
async function memoryOf(entries: number): Promise<MemoryMeasured> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const collect = async (): Promise<void> => {
    for (let time = 0; time < 5; time += 1) {
      gc();
      await new Promise((done) => setTimeout(done, 20));
    }
  };
  await collect();
  const before = process.memoryUsage().heapUsed;
  const verifier = await verifierOf((since) => {
    const left = entries - since;
    return feedPart(since, Math.min(ENTRIES_PER_PART, left), left <= ENTRIES_PER_PART);
  });
  await collect();
  const heapBytes = process.memoryUsage().heapUsed - before;
  const { revocations } = verifier.state();
  verifier.close();
  if (revocations !== entries) throw new Error(`${revocations} of ${entries} revocations are in memory`);
  return { entries, heapBytes };
}

process.on('message', async (command: Command) => {
  try {
    const result =
      command.operation === 'memory'
        ? await memoryOf(command.entries)
        : await speedOf(command.operation, command.seconds);
    process.send?.({ id: command.id, result });
  } catch (err) {
    process.send?.({ id: command.id, error: (err as Error).message });
  }
});
process.on('disconnect', () => process.exit(0));
