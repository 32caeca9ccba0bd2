import type { Bench, BenchContext } from '../lib/bench.ts';
import type { Figure } from '../lib/figure.ts';
import { requireClean, streamOf } from '../lib/generator.ts';
import type { LoadResult, LoadSpec, StreamSpec } from '../lib/load-loop.ts';
import { alternate, medianOf, type Pair } from '../lib/pairs.ts';
import type { Product } from '../lib/product.ts';
import {
  accounts,
  fillFamilies,
  fillTokens,
  LOAD_PASSWORD,
  measureClosed,
  openSeconds,
  openStream,
  targetOf,
} from './setup.ts';

const VALIDATES_PER_SECOND = 1_000;
const REFRESHES_PER_SECOND = 500;
const STORM_FACTOR = 2;
const LOGIN_CONNECTIONS = 512;
const CAPACITY_CONNECTIONS = 8;
const WARM_UP_SECONDS = 2;

type Phase = 'quiet' | 'storm' | 'refresh' | 'refreshStorm';
type Streams = { readonly validate: StreamSpec; readonly refresh: StreamSpec; readonly logins: StreamSpec };

/** Streams beside validate must answer as expected; a storm's logins may also be told to come back. */
function requireOnlyBusyLogins(result: LoadResult): void {
  requireClean({ ...result, streams: result.streams.filter(({ name }) => name !== 'login') });
  for (const { name, failures, dropped } of result.streams.filter(({ name: each }) => each === 'login')) {
    const others = Object.keys(failures).filter((outcome) => !/^503 (?!.*without Retry-After)/.test(outcome));
    if (others.length > 0 || dropped > 0) throw new Error(`${name}: ${dropped} dropped, ${JSON.stringify(failures)}`);
  }
}

/** The tokens, families and accounts of a storm are made, and what the product can hash is measured. */
async function prepareStorm(context: BenchContext, product: Product): Promise<Streams> {
  const emails = await accounts(context, product, 32);
  await fillTokens(context, product, 'storm-tokens');
  await fillFamilies(context, product, 'storm-families');
  const login = { kind: 'login', emails, password: LOAD_PASSWORD } as const;
  // As many wait as the queue takes.
  const { perSecond } = await measureClosed(
    context,
    targetOf(product),
    login,
    CAPACITY_CONNECTIONS,
    openSeconds(context),
  );
  for (const stock of ['storm-families', emails])
    await context.generatorBeside().put(stock, await context.generator().take(stock));
  context.say(`login capacity ${perSecond.toFixed(2)}/s; the storm is ${STORM_FACTOR} times as many`);
  const validate = { kind: 'validate', stock: 'storm-tokens' } as const;
  const refresh = { kind: 'refresh', stock: 'storm-families' } as const;
  return {
    validate: openStream(product, 'validate', validate, VALIDATES_PER_SECOND),
    refresh: openStream(product, 'refresh', refresh, REFRESHES_PER_SECOND),
    logins: openStream(product, 'login', login, STORM_FACTOR * perSecond, LOGIN_CONNECTIONS),
  };
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

const validateP99Ms = (result: LoadResult): number => streamOf(result, 'validate').latency.p99Ms;

/** The median of the runs' p99, beside what the logins came to. */
function figureOf(runs: readonly Pair<Phase, LoadResult>[], phase: Phase, name: string, atMost?: number): Figure {
  const logins = runs.flatMap((run) => run[phase].streams.filter((stream) => stream.name === 'login'));
  const ok = logins.reduce((sum, each) => sum + each.ok, 0);
  const busy = logins.reduce((sum, each) => sum + Object.values(each.failures).reduce((all, one) => all + one, 0), 0);
  const p50Ms = medianOf(runs, (run) => streamOf(run[phase], 'validate').latency.p50Ms);
  return {
    ...{ name, unit: 'ms', value: medianOf(runs, (run) => validateP99Ms(run[phase])) },
    ...(atMost === undefined ? {} : { target: { atMost } }),
    measured: runs.map((run) => run[phase]),
    detail: `p50 ${p50Ms.toFixed(2)} ms${logins.length > 0 ? `; logins ${ok} in, ${busy} answered 503` : ''}`,
  };
}

export const loginStorm: Bench = {
  name: 'login-storm',
  about: 'validate at 1,000/s beside twice as many logins as can be hashed, and beside refreshes',
  limit: 'processor time, shared with password hashing',
  async run(context) {
    const product = await context.product();
    const { validate, refresh, logins } = await prepareStorm(context, product);
    const options = { warmUpSeconds: WARM_UP_SECONDS, seconds: openSeconds(context), pid: product.apiPid };
    const phase =
      (...others: readonly StreamSpec[]) =>
      async (): Promise<LoadResult> => {
        const result = await runStorm(context, [validate, ...others], options);
        requireOnlyBusyLogins(result);
        if (others.includes(logins) && Object.keys(streamOf(result, 'login').failures).length === 0)
          context.say('note: the storm refused no sign-in');
        return result;
      };
    const runs = await alternate<Phase, LoadResult>(
      context,
      { quiet: phase(), storm: phase(logins), refresh: phase(refresh), refreshStorm: phase(refresh, logins) },
      (result) => `validate p99 ${validateP99Ms(result).toFixed(2)} ms`,
    );
    return [
      figureOf(runs, 'quiet', 'validate at 1,000/s, p99', 5),
      figureOf(runs, 'storm', 'the same beside a login storm', 15),
      figureOf(runs, 'refresh', 'the same beside 500 refreshes/s'),
      figureOf(runs, 'refreshStorm', 'the same beside both', 30),
    ];
  },
};
