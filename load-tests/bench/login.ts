import { availableParallelism } from 'node:os';
import type { Bench } from '../lib/bench.ts';
import { requireClean, streamOf } from '../lib/generator.ts';
import { alternate, medianOf, middleSpeed } from '../lib/rounds.ts';
import { accounts, LOAD_PASSWORD, measureClosed, ratioDetail, raw, targetOf } from './setup.ts';

/** One is hashed while the next waits: more would be turned away where hashing at low priority gets few turns. */
const CONNECTIONS_PER_CORE = 2;
/** A hash takes a quarter of a second: fewer seconds would count too few of them. */
const LEAST_SECONDS = 8;
const WARM_UP_SECONDS = 4;
/** The requirement, and the part of a machine's capacity at which latency is stated. */
const LOGINS_WANTED = 1_000;
const STATED_PART = 0.5;
const OPEN_CONNECTIONS = 64;
/** A few logins a second: a p99 needs longer than a rate. */
const OPEN_FACTOR = 4;

export const login: Bench = {
  name: 'login',
  about: 'POST /api/auth/signin against raw bcrypt, cost 12, on as many cores',
  async run(context) {
    const product = await context.product();
    const cores = availableParallelism();
    const emails = await accounts(context, product, 32);
    const seconds = Math.max(LEAST_SECONDS, context.seconds);
    const crypto = context.baseline('raw-crypto.ts', { UV_THREADPOOL_SIZE: String(cores) });
    const rounds = await alternate(
      context.rounds,
      {
        bcrypt: () => raw(crypto, { operation: 'bcrypt-12', seconds, bytes: 0, inFlight: cores }),
        ours: () =>
          measureClosed(
            context,
            targetOf(product),
            { kind: 'login', emails, password: LOAD_PASSWORD },
            CONNECTIONS_PER_CORE * cores,
            seconds,
            WARM_UP_SECONDS,
          ),
      },
      (round, { bcrypt, ours }) => context.say(`round ${round}: ${ratioDetail(ours, bcrypt)}`),
    );
    const perCore = medianOf(rounds, ({ ours }) => ours.perCpuSecond);
    const perSecond = STATED_PART * medianOf(rounds, ({ ours }) => ours.perSecond);
    const { latency } = streamOf(
      requireClean(
        await context.generator().run({
          warmUpSeconds: WARM_UP_SECONDS,
          seconds: OPEN_FACTOR * seconds,
          streams: [
            {
              name: 'login',
              api: product.api,
              workload: { kind: 'login', emails, password: LOAD_PASSWORD },
              arrival: { kind: 'open', connections: OPEN_CONNECTIONS, perSecond },
            },
          ],
        }),
      ),
    );
    return [
      {
        name: 'logins per core',
        unit: 'a CPU-second',
        value: perCore,
        measured: { cores, rounds: rounds.map(({ ours }) => ours) },
        detail: 'bcrypt, cost 12',
      },
      {
        name: 'cores that 1,000 logins a second need',
        unit: 'cores',
        value: Math.ceil(LOGINS_WANTED / perCore),
        measured: {},
        detail: `${LOGINS_WANTED} ÷ ${perCore.toFixed(2)}`,
      },
      {
        name: 'login latency at half of the capacity, p99',
        unit: 'ms',
        value: latency.p99Ms,
        measured: { perSecond, cores, latency },
        detail: `open model, ${perSecond.toFixed(1)} logins a second on ${cores} cores: p50 ${latency.p50Ms.toFixed(0)} ms, p95 ${latency.p95Ms.toFixed(0)} ms, p99 ${latency.p99Ms.toFixed(0)} ms`,
      },
      {
        name: 'login ÷ raw bcrypt-12',
        unit: 'per CPU-second',
        value: medianOf(rounds, ({ bcrypt, ours }) => ours.perCpuSecond / bcrypt.perCpuSecond),
        target: { atLeast: 0.9 },
        measured: { cores, connections: CONNECTIONS_PER_CORE * cores, rounds },
        detail: ratioDetail(middleSpeed(rounds, 'ours'), middleSpeed(rounds, 'bcrypt')),
      },
      {
        name: 'the same, throughput',
        unit: 'per second',
        value: medianOf(rounds, ({ bcrypt, ours }) => ours.perSecond / bcrypt.perSecond),
        measured: {},
        detail: 'hashing runs at low priority: whatever else runs here takes from it first',
      },
    ];
  },
};
