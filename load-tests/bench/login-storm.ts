import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { requireClean, streamOf } from '../lib/generator.ts';
import type { LoadResult, LoadSpec, StreamSpec } from '../lib/load-loop.ts';
import type { Product } from '../lib/product.ts';
import { alternate, medianOf, type Rounds } from '../lib/rounds.ts';
import { accounts, demoUserId, fill, LOAD_PASSWORD, measureClosed } from './setup.ts';

const VALIDATES_PER_SECOND = 1_000;
const REFRESHES_PER_SECOND = 500;
const STORM_FACTOR = 2;
const CONNECTIONS = 64;
const LEAST_SECONDS = 10;
const WARM_UP_SECONDS = 2;

type Phase = 'quiet' | 'storm' | 'refresh' | 'refreshStorm';

const storms: readonly Phase[] = ['storm', 'refreshStorm'];

/** Streams beside validate must answer as expected; a storm's logins may also be told to come back. */
function requireOnlyBusyLogins(result: LoadResult): void {
  requireClean({ ...result, streams: result.streams.filter(({ name }) => name !== 'login') });
  for (const { name, failures, dropped } of result.streams.filter(({ name: each }) => each === 'login')) {
    const others = Object.keys(failures).filter((outcome) => !/^503 (?!.*without Retry-After)/.test(outcome));
    if (others.length > 0 || dropped > 0) throw new Error(`${name}: ${dropped} dropped, ${JSON.stringify(failures)}`);
  }
}

const validateP99Ms = (result: LoadResult): number => streamOf(result, 'validate').latency.p99Ms;

/** The median of the rounds' p99, beside what the logins came to. */
function figure(name: string, rounds: Rounds<Phase, LoadResult>, phase: Phase): Figure {
  const logins = rounds.flatMap((round) => round[phase].streams.filter((stream) => stream.name === 'login'));
  const ok = logins.reduce((sum, each) => sum + each.ok, 0);
  const busy = logins.reduce((sum, each) => sum + Object.values(each.failures).reduce((all, one) => all + one, 0), 0);
  const p50Ms = medianOf(rounds, (round) => streamOf(round[phase], 'validate').latency.p50Ms);
  return {
    name,
    unit: 'ms',
    value: medianOf(rounds, (round) => validateP99Ms(round[phase])),
    measured: {},
    detail: `p50 ${p50Ms.toFixed(2)} ms${logins.length > 0 ? `; logins ${ok} in, ${busy} answered 503` : ''}`,
  };
}

/** The streams of a storm against the product: their tokens, families and accounts are made, and what it can hash is measured. */
async function prepareStorm(context: BenchContext): Promise<{
  readonly product: Product;
  readonly capacity: number;
  readonly loginsPerSecond: number;
  readonly validate: StreamSpec;
  readonly refresh: StreamSpec;
  readonly logins: StreamSpec;
}> {
  const product = await context.product();
  const { api } = product;
  const emails = await accounts(context, product, 32);
  const userId = await demoUserId(product);
  const pairs = { kind: 'issue', client: product.credentials.client, userId } as const;
  await fill(context, 'storm-tokens', 1_000, { ...pairs, collect: 'storm-tokens', member: 'access_token' });
  await fill(context, 'storm-families', CONNECTIONS, { ...pairs, collect: 'storm-families' });
  const capacity = await loginCapacity(context, product, emails);
  for (const stock of ['storm-families', emails])
    await context.generatorBeside().put(stock, await context.generator().take(stock));
  const loginsPerSecond = STORM_FACTOR * capacity;
  context.say(`login capacity ${capacity.toFixed(2)}/s; the storm is ${loginsPerSecond.toFixed(2)}/s`);

  const open = (perSecond: number, slots = CONNECTIONS) => ({ kind: 'open', connections: slots, perSecond }) as const;
  const validate: StreamSpec = {
    name: 'validate',
    api,
    workload: { kind: 'validate', stock: 'storm-tokens' },
    arrival: open(VALIDATES_PER_SECOND),
  };
  const refresh: StreamSpec = {
    name: 'refresh',
    api,
    workload: { kind: 'refresh', stock: 'storm-families' },
    arrival: open(REFRESHES_PER_SECOND),
  };
  const logins: StreamSpec = {
    name: 'login',
    api,
    workload: { kind: 'login', emails, password: LOAD_PASSWORD },
    arrival: open(loginsPerSecond, 512),
  };
  return { product, capacity, loginsPerSecond, validate, refresh, logins };
}

/**
 * Runs the streams side by side: `validate` from a process that does nothing else and goes before everybody where that
 * is allowed, the others from a second one. A client is elsewhere; here it shares the processors, and neither its work
 * on logins nor its waiting for a processor is the API's.
 */
async function runStorm(
  context: BenchContext,
  [validate, ...others]: readonly [StreamSpec, ...StreamSpec[]],
  options: Omit<LoadSpec, 'streams'>,
): Promise<LoadResult> {
  const clock = context.generator();
  const goesFirst = clock.goFirst(true);
  if (!goesFirst) context.say("note: the clock may not go first here (chrt); its own waits count as the API's");
  try {
    const [timed, beside] = await Promise.all([
      clock.run({ ...options, streams: [validate] }),
      others.length === 0 ? undefined : context.generatorBeside().run({ ...options, streams: others }),
    ]);
    return { ...timed, streams: [...timed.streams, ...(beside?.streams ?? [])] };
  } finally {
    if (goesFirst) clock.goFirst(false);
  }
}

async function storm(context: BenchContext): Promise<readonly Figure[]> {
  const { product, capacity, loginsPerSecond, validate, refresh, logins } = await prepareStorm(context);
  const phase =
    (...others: readonly StreamSpec[]) =>
    async (): Promise<LoadResult> => {
      const seconds = Math.max(LEAST_SECONDS, context.seconds);
      const result = await runStorm(context, [validate, ...others], {
        warmUpSeconds: WARM_UP_SECONDS,
        seconds,
        pid: product.apiPid,
      });
      requireOnlyBusyLogins(result);
      return result;
    };
  const rounds = await alternate<Phase, LoadResult>(
    context.rounds,
    {
      quiet: phase(),
      storm: phase(logins),
      refresh: phase(refresh),
      refreshStorm: phase(refresh, logins),
    },
    (round, results) =>
      context.say(
        `round ${round}: validate p99 ${Object.entries(results)
          .map(([name, result]) => `${name} ${validateP99Ms(result).toFixed(2)} ms`)
          .join(', ')}`,
      ),
  );
  for (const each of rounds.flatMap((round) => storms.map((name) => round[name])))
    if (Object.keys(streamOf(each, 'login').failures).length === 0) context.say('note: the storm refused no sign-in');
  const measured = {
    validatesPerSecond: VALIDATES_PER_SECOND,
    refreshesPerSecond: REFRESHES_PER_SECOND,
    capacity,
    loginsPerSecond,
    rounds,
  };
  return [
    { ...figure('validate at 1,000/s, p99', rounds, 'quiet'), target: { atMost: 5 }, measured },
    { ...figure('the same beside a login storm', rounds, 'storm'), target: { atMost: 15 } },
    figure('the same beside 500 refreshes/s', rounds, 'refresh'),
    { ...figure('the same beside both', rounds, 'refreshStorm'), target: { atMost: 30 } },
  ];
}

/** Logins a second with as many waiting as the queue takes. */
const loginCapacity = async (context: BenchContext, product: Product, emails: string): Promise<number> =>
  (
    await measureClosed(
      context,
      { api: product.api, pid: product.apiPid },
      { kind: 'login', emails, password: LOAD_PASSWORD },
      8,
      LEAST_SECONDS,
    )
  ).perSecond;

export const loginStorm: Bench = {
  name: 'login-storm',
  about: 'validate at 1,000/s beside twice as many logins as can be hashed, and beside refreshes',
  run: storm,
};
