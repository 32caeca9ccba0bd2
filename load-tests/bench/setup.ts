// What several benches share: filling stocks, measuring one stream, asking a raw baseline.
import { availableParallelism } from 'node:os';
import type { RawSpeed } from '../baselines/raw-crypto.ts';
import { signIn } from '../lib/api-client.ts';
import type { BenchContext } from '../lib/bench.ts';
import { requireClean } from '../lib/generator.ts';
import type { Product } from '../lib/product.ts';
import { type Speed, speed, speedOf } from '../lib/rounds.ts';
import type { WorkerProcess } from '../lib/worker-process.ts';
import type { WorkloadSpec } from '../lib/workloads.ts';

const LONGEST_FILL_SECONDS = 300;
const WARM_UP_SECONDS = 1;
const COMPILE_SECONDS = 10;

export type Target = { readonly api: string; readonly pid: number; readonly productPids?: readonly number[] };

/** The API of a product, and with it everything that it runs. */
export const targetOf = (product: Product): Target => ({
  api: product.api,
  pid: product.apiPid,
  productPids: Object.values(product.processes()),
});

/** The demo user's id, by one sign-in a product. */
export async function demoUserId(product: Product): Promise<string> {
  const known = userIds.get(product.api) ?? signIn(product.api, product.credentials.user).then(({ user }) => user.id);
  userIds.set(product.api, known);
  return known;
}
const userIds = new Map<string, Promise<string>>();

/** Asks `workload` exactly `count` times, so that its stock holds as many items more. */
export async function fill(
  context: BenchContext,
  name: string,
  count: number,
  workload: WorkloadSpec,
  options: { readonly product?: Product; readonly connections?: number } = {},
): Promise<void> {
  const { api } = options.product ?? (await context.product());
  const result = await context.generator().run({
    warmUpSeconds: 0,
    seconds: LONGEST_FILL_SECONDS,
    streams: [
      { name, api, workload, arrival: { kind: 'closed', connections: options.connections ?? 32, requests: count } },
    ],
  });
  requireClean(result);
  const { ok } = result.streams[0]!;
  if (ok !== count) throw new Error(`${name}: ${ok} of ${count} in ${LONGEST_FILL_SECONDS} s`);
}

/** One closed-loop run of one stream, after a warm-up; every answer must be the expected one. */
export async function measureClosed(
  context: BenchContext,
  target: Target,
  workload: WorkloadSpec,
  connections: number,
  seconds: number = context.seconds,
  beforehandSeconds: number = WARM_UP_SECONDS,
): Promise<Speed> {
  const result = await context.generator().run({
    warmUpSeconds: beforehandSeconds,
    seconds,
    pid: target.pid,
    ...(target.productPids === undefined ? {} : { productPids: target.productPids }),
    streams: [{ name: workload.kind, api: target.api, workload, arrival: { kind: 'closed', connections } }],
  });
  return speedOf(requireClean(result));
}

/** A process this young still compiles what it runs, beside it: what counts is the service that has been up a while. */
export async function warmUp(
  context: BenchContext,
  target: Target,
  workload: WorkloadSpec,
  connections: number,
): Promise<void> {
  context.say(`warming up, ${COMPILE_SECONDS} s`);
  await measureClosed(context, target, workload, connections, COMPILE_SECONDS);
}

export async function raw(
  worker: WorkerProcess,
  command: { operation: string; seconds: number; bytes: number; inFlight: number },
): Promise<Speed> {
  const { operations, seconds, cpuSeconds } = await worker.ask<RawSpeed>(command);
  return speed(operations, seconds, cpuSeconds);
}

const rounded = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(2));

export function speedDetail({ perCpuSecond, perSecond, cores, p50Ms, p99Ms, perProductCpuSecond }: Speed): string {
  const wall = [
    `${rounded(perSecond)}/s on ${cores.toFixed(2)} cores`,
    ...(p50Ms === undefined || p99Ms === undefined ? [] : [`p50 ${p50Ms.toFixed(2)}, p99 ${p99Ms.toFixed(2)} ms`]),
    ...(perProductCpuSecond === undefined ? [] : [`${rounded(perProductCpuSecond)} a CPU-s of the whole product`]),
  ];
  return `${rounded(perCpuSecond)} a CPU-s (${wall.join('; ')})`;
}

/** By the CPU time of everything that runs. */
export const productSpeed = ({ perProductCpuSecond = Number.NaN }: Speed): number => perProductCpuSecond;

export const ratioDetail = (ours: Speed, base: Speed): string => `${speedDetail(ours)} against ${speedDetail(base)}`;

/** The password of every account made for load. */
export const LOAD_PASSWORD = 'a long and boring passphrase, 4 load';

/** Makes sure of a stock of at least `count` accounts of the product; resolves to its name. */
export async function accounts(context: BenchContext, product: Product, count: number): Promise<string> {
  const stock = `accounts of ${product.api}`;
  const missing = count - (await context.generator().take(stock)).length;
  if (missing <= 0) return stock;
  context.say(`signing up ${missing} accounts`);
  const workload = {
    kind: 'sign_up',
    prefix: `load-${Date.now().toString(36)}`,
    password: LOAD_PASSWORD,
    collect: stock,
  } as const;
  // One for each hashing process: none waits so long that it is refused.
  await fill(context, stock, missing, workload, { product, connections: availableParallelism() });
  return stock;
}
