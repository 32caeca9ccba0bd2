// What benches share: filling stocks, loads of one stream or several, a second copy whose Redis can be cut.
import { connect, createServer, type Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import { signIn } from '../lib/api-client.ts';
import type { BenchContext } from '../lib/bench.ts';
import { requireClean } from '../lib/generator.ts';
import type { LineProcess } from '../lib/line-process.ts';
import type { LoadResult, StreamSpec } from '../lib/load-loop.ts';
import { type RawSpeed, rawSpeed, type Speed, speedOf } from '../lib/pairs.ts';
import type { Product } from '../lib/product.ts';
import type { WorkloadSpec } from '../lib/workloads.ts';

/** Passes connections on to a store until it is cut. */
async function passThrough(context: BenchContext, target: URL): Promise<{ url: string; cut: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const url = new URL(target);
  url.hostname = '127.0.0.1';
  url.port = String(address.port);
  const cut = async (): Promise<void> => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  context.onClose(cut);
  return { url: url.href, cut };
}

export const CONNECTIONS = 64;
const LONGEST_FILL_SECONDS = 300;
const WARM_UP_SECONDS = 1;
const COMPILE_SECONDS = 10;
/** An open load needs so many for a p99. */
const OPEN_SECONDS = 10;
const TOKENS = 1_000;

export type Target = { readonly api: string; readonly pid: number; readonly productPids?: readonly number[] };

/** The API of a product, and with it everything that it runs. */
export const targetOf = (product: Product): Target => ({
  api: product.api,
  pid: product.apiPid,
  productPids: Object.values(product.processes()),
});

const userIds = new Map<string, Promise<string>>();
/** The demo user's id, by one sign-in a product. */
export function demoUserId({ api, credentials }: Product): Promise<string> {
  const known = userIds.get(api) ?? signIn(api, credentials.user).then(({ user }) => user.id);
  userIds.set(api, known);
  return known;
}

/** Asks `workload` exactly `count` times, so that its stock holds as many items more. */
export async function fill(
  context: BenchContext,
  { api }: Product,
  count: number,
  workload: WorkloadSpec,
  connections = 32,
): Promise<void> {
  const arrival = { kind: 'closed', connections, requests: count } as const;
  const result = await context.generator().run({
    warmUpSeconds: 0,
    seconds: LONGEST_FILL_SECONDS,
    streams: [{ name: workload.kind, api, workload, arrival }],
  });
  requireClean(result);
  const { ok } = result.streams[0]!;
  if (ok !== count) throw new Error(`${workload.kind}: ${ok} of ${count} in ${LONGEST_FILL_SECONDS} s`);
}

async function fillPairs(
  context: BenchContext,
  product: Product,
  stock: string,
  count: number,
  member: 'access_token' | 'refresh_token',
): Promise<void> {
  const { client } = product.credentials;
  const userId = await demoUserId(product);
  await fill(context, product, count, { kind: 'issue', client, userId, collect: stock, member });
}

/** A stock of access tokens, each of a sign-in of its own. */
export const fillTokens = (context: BenchContext, product: Product, stock: string): Promise<void> =>
  fillPairs(context, product, stock, TOKENS, 'access_token');

/** A token family for every connection: each has a chain of its own, and no token is shown twice. */
export const fillFamilies = (context: BenchContext, product: Product, stock: string): Promise<void> =>
  fillPairs(context, product, stock, CONNECTIONS, 'refresh_token');

/** One closed run of one stream, after a warm-up; every answer must be the expected one. */
export async function measureClosed(
  context: BenchContext,
  { api, ...processes }: Target,
  workload: WorkloadSpec,
  connections: number = CONNECTIONS,
  seconds: number = context.seconds,
  beforehandSeconds: number = WARM_UP_SECONDS,
): Promise<Speed> {
  const result = await context.generator().run({
    warmUpSeconds: beforehandSeconds,
    seconds,
    ...processes,
    streams: [{ name: workload.kind, api, workload, arrival: { kind: 'closed', connections } }],
  });
  return speedOf(requireClean(result));
}

/** Asks for each item of a stock once, and empties it. */
export async function measureOnce(
  context: BenchContext,
  { api, ...processes }: Target,
  workload: WorkloadSpec & { readonly stock: string },
): Promise<Speed> {
  const arrival = { kind: 'closed', connections: CONNECTIONS } as const;
  const streams = [{ name: workload.kind, api, workload, arrival }];
  const result = await context
    .generator()
    .run({ warmUpSeconds: 0, seconds: LONGEST_FILL_SECONDS, ...processes, streams });
  await context.generator().put(workload.stock, []);
  return speedOf(requireClean(result));
}

/** A process this young still compiles what it runs, beside it: what counts is the service that has been up a while. */
export async function warmUp(
  context: BenchContext,
  target: Target,
  workload: WorkloadSpec,
  connections: number = CONNECTIONS,
): Promise<void> {
  context.say(`warming up, ${COMPILE_SECONDS} s`);
  await measureClosed(context, target, workload, connections, COMPILE_SECONDS);
}

export const raw = async (
  baseline: LineProcess,
  command: { operation: string; seconds: number; bytes: number; inFlight: number },
): Promise<Speed> => rawSpeed(await baseline.ask<RawSpeed>(command));

/** A stream of an open load, at a constant rate. */
export const openStream = (
  { api }: Product,
  name: string,
  workload: WorkloadSpec,
  perSecond: number,
  connections: number = CONNECTIONS,
): StreamSpec => ({ name, api, workload, arrival: { kind: 'open', connections, perSecond } });

export const openSeconds = ({ seconds }: BenchContext): number => Math.max(OPEN_SECONDS, seconds);

/** One open run of one stream. */
export const runOpen = (
  context: BenchContext,
  stream: StreamSpec,
  seconds: number = openSeconds(context),
  warmUpSeconds: number = WARM_UP_SECONDS,
): Promise<LoadResult> => context.generator().run({ warmUpSeconds, seconds, streams: [stream] });

/** The password of every account made for load. */
export const LOAD_PASSWORD = 'a long and boring passphrase, 4 load';

/** Makes sure of a stock of at least `count` accounts of the product; resolves to its name. */
export async function accounts(context: BenchContext, product: Product, count: number): Promise<string> {
  const stock = `accounts of ${product.api}`;
  const missing = count - (await context.generator().take(stock)).length;
  if (missing <= 0) return stock;
  context.say(`signing up ${missing} accounts`);
  const prefix = `load-${Date.now().toString(36)}`;
  const workload = { kind: 'sign_up', prefix, password: LOAD_PASSWORD, collect: stock } as const;
  // One for each hashing process: none waits so long that it is refused.
  await fill(context, product, missing, workload, availableParallelism());
  return stock;
}

/** Another copy on the stores of a product, and what takes Redis away from it alone. */
export async function copyOf(
  context: BenchContext,
  { credentials, api, dataDir }: Product,
): Promise<{ readonly copy: Product; readonly cutRedis: () => Promise<void> }> {
  const redis = await passThrough(context, new URL(credentials.redis_url));
  const stores = { DATABASE_URL: credentials.database_url, REDIS_URL: redis.url, BETTER_AUTH_URL: api };
  return { copy: await context.start(stores, { dataDir }), cutRedis: redis.cut };
}

type Counters = Readonly<Record<string, (page: string) => number>>;

/** How far counters on the metrics of a product went while something ran. */
export async function countedWhile<C extends Counters>(
  { metrics }: Product,
  counters: C,
  work: () => Promise<unknown>,
): Promise<Readonly<Record<keyof C, number>>> {
  const pageNow = async (): Promise<string> => (await fetch(metrics)).text();
  const before = await pageNow();
  await work();
  const after = await pageNow();
  const counted = Object.entries(counters).map(([name, read]) => [name, read(after) - read(before)]);
  return Object.fromEntries(counted) as Record<keyof C, number>;
}
