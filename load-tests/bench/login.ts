import { availableParallelism } from 'node:os';
import type { Bench } from '../lib/bench.ts';
import { alternate, medianOf, middleSpeed } from '../lib/rounds.ts';
import { accounts, LOAD_PASSWORD, measureClosed, ratioDetail, raw } from './setup.ts';

/** Below what waits for a hash without being turned away. */
const CONNECTIONS_PER_CORE = 4;
/** A hash takes a quarter of a second: fewer seconds would count too few of them. */
const LEAST_SECONDS = 8;
const WARM_UP_SECONDS = 4;

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
            { api: product.api, pid: product.apiPid },
            { kind: 'login', emails, password: LOAD_PASSWORD },
            CONNECTIONS_PER_CORE * cores,
            seconds,
            WARM_UP_SECONDS,
          ),
      },
      (round, { bcrypt, ours }) => context.say(`round ${round}: ${ratioDetail(ours, bcrypt)}`),
    );
    return [
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
        detail: 'hashing runs at the lowest priority: whatever else runs here takes from it alone',
      },
    ];
  },
};
