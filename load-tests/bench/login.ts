import { availableParallelism } from 'node:os';
import type { Bench } from '../lib/bench.ts';
import { requireClean, streamOf } from '../lib/generator.ts';
import { alternateSpeeds, medianOf, ratio } from '../lib/pairs.ts';
import { accounts, LOAD_PASSWORD, measureClosed, openStream, raw, runOpen, targetOf } from './setup.ts';

/** One is hashed while the next waits: more would be turned away where hashing at low priority gets few turns. */
const CONNECTIONS_PER_CORE = 2;
/** A hash takes a quarter of a second: fewer seconds would count too few of them. */
const LEAST_SECONDS = 8;
const WARM_UP_SECONDS = 4;
/** The requirement, and the part of a machine's capacity at which latency is stated. */
const LOGINS_WANTED = 1_000;
const STATED_PART = 0.5;
/** A few logins a second: a p99 needs longer than a rate. */
const OPEN_FACTOR = 4;

export const login: Bench = {
  name: 'login',
  about: 'POST /api/auth/signin against raw bcrypt, cost 12, on as many cores',
  limit: 'password hashing: bcrypt, cost 12, on every core',
  async run(context) {
    const product = await context.product();
    const cores = availableParallelism();
    const work = { kind: 'login', emails: await accounts(context, product, 32), password: LOAD_PASSWORD } as const;
    const seconds = Math.max(LEAST_SECONDS, context.seconds);
    const crypto = context.baseline('raw-crypto.ts', { UV_THREADPOOL_SIZE: String(cores) });
    const pairs = await alternateSpeeds(context, {
      bcrypt: () => raw(crypto, { operation: 'bcrypt-12', seconds, bytes: 0, inFlight: cores }),
      ours: () =>
        measureClosed(context, targetOf(product), work, CONNECTIONS_PER_CORE * cores, seconds, WARM_UP_SECONDS),
    });
    const perCore = medianOf(pairs, ({ ours }) => ours.perCpuSecond);
    const perSecond = STATED_PART * medianOf(pairs, ({ ours }) => ours.perSecond);
    const stream = openStream(product, 'login', work, perSecond);
    const { latency } = streamOf(requireClean(await runOpen(context, stream, OPEN_FACTOR * seconds, WARM_UP_SECONDS)));
    const { p50Ms, p95Ms, p99Ms } = latency;
    const sides = { of: 'ours', to: 'bcrypt' } as const;
    return [
      {
        ...{ name: 'logins per core', unit: 'a CPU-second', value: perCore },
        ...{ measured: pairs, detail: 'bcrypt, cost 12' },
      },
      {
        ...{ name: 'cores that 1,000 logins a second need', unit: 'cores', value: Math.ceil(LOGINS_WANTED / perCore) },
        detail: `${LOGINS_WANTED} ÷ ${perCore.toFixed(2)}`,
      },
      {
        ...{ name: 'login latency at half of the capacity, p99', unit: 'ms', value: p99Ms, measured: latency },
        detail: `open model, ${perSecond.toFixed(1)} logins a second on ${cores} cores: p50 ${p50Ms.toFixed(0)} ms, p95 ${p95Ms.toFixed(0)} ms, p99 ${p99Ms.toFixed(0)} ms`,
      },
      ratio(pairs, { ...sides, name: 'login ÷ raw bcrypt-12', target: { atLeast: 0.9 } }),
      // Hashing runs at low priority: whatever else runs here takes from it first.
      ratio(pairs, { ...sides, name: 'the same, throughput', unit: 'per second', by: 'perSecond' }),
    ];
  },
};
