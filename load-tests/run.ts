/** `npm run load -- <scenario>`: k6 scenarios against the product, which is started for them or given. */
import { mkdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { findK6, K6_VERSION, K6Missing, stopK6 } from './lib/k6.ts';
import { figuresOf, textTable } from './lib/load-report.ts';
import { type Product, stopRunningProducts } from './lib/product.ts';
import { saveResults } from './lib/run.ts';
import { type RunOptions, runScenario } from './lib/run-scenario.ts';
import { scenarios, scenariosOf, suites } from './lib/scenarios.ts';
import { type GivenTarget, givenTarget, startedTarget, type Target, Unreachable, UsageError } from './lib/target.ts';

const root = resolve(import.meta.dirname, '..');
const PROFILES = ['smoke', 'load', 'stress', 'spike', 'soak', 'breakpoint', 'ci'];
const exit = { ok: 0, failed: 1, usage: 2, unreachable: 3, interrupted: 130 } as const;

const named = (entries: readonly (readonly [string, string])[]): string =>
  entries.map(([name, text]) => `  ${name.padEnd(22)}${text}`).join('\n');

const HELP = `npm run load -- <scenario or suite> [options]

Runs k6 scenarios against the product. Exits 1 if a threshold is crossed or a check fails.

Scenarios
${named(Object.entries(scenarios).map(([name, { about }]) => [name, about] as const))}

Suites
${named(Object.entries(suites).map(([name, members]) => [name, members.join(', ')] as const))}
${named([['all', 'every scenario']])}

Load
  --profile <name>       ${PROFILES.join(', ')} (smoke)
  --seconds <n>          another duration than the profile's
  --users <n>            number of test users, for scenarios that have users
  --parallel <n>         scenarios at once (1); for correctness, not for figures

Reports
  --results <folder>     where they go (load-tests/.results)
  --keep                 also keep the result in load-tests/results and docs/benchmarks.md
  --otlp <URL>           also send the metrics of k6 there, by OTLP over HTTP
  --json                 print results as JSON, one line for each scenario

Another installation than one that this command starts
  --url <URL>            its API; needs --credentials, and --yes unless it is on this machine
  --yes                  you may put load on it
  --credentials <file>   its dev-credentials.json, or a file of the same form
  --users-file <file>    its load-users.json, from: npx sallyport demo seed --users 10000
  --metrics <URL>        its /metrics, to compare the API's own latencies with those that k6 measures
  --second-url <URL>     another copy of its API, for the scenarios revoke and rate-limits

k6 is taken from PATH, else built once with Go (${K6_VERSION}) into load-tests/.bin. --install-k6 does only that.
Each scenario writes its result as JSON. k6's own page with plots: K6_WEB_DASHBOARD=true
K6_WEB_DASHBOARD_EXPORT=report.html before the command.
`;

const say = (text: string): void => void process.stderr.write(`load: ${text}\n`);

function numberOf(name: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > most)
    throw new UsageError(`--${name} must be a whole number from 1 to ${most}`);
  return value;
}

function urlOf(name: string, text: string | undefined): URL | undefined {
  if (text === undefined) return undefined;
  if (!/^https?:/.test(text) || !URL.canParse(text))
    throw new UsageError(`--${name} must be a URL that begins with http:// or https://`);
  return new URL(text);
}

const baseOf = (url: URL | undefined): string | undefined => url?.href.replace(/\/+$/, '');
const isOnThisMachine = ({ hostname }: URL): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);

function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      profile: { type: 'string', default: 'smoke' },
      seconds: { type: 'string' },
      users: { type: 'string' },
      parallel: { type: 'string', default: '1' },
      url: { type: 'string' },
      yes: { type: 'boolean', default: false },
      credentials: { type: 'string' },
      'users-file': { type: 'string' },
      metrics: { type: 'string' },
      'second-url': { type: 'string' },
      otlp: { type: 'string' },
      results: { type: 'string', default: join(root, 'load-tests/.results') },
      keep: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      'install-k6': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  if (values['install-k6']) return 'install k6';
  const [word = ''] = positionals;
  const names = positionals.length === 1 ? scenariosOf(word) : undefined;
  if (names === undefined)
    throw new UsageError(
      positionals.length === 1 ? `no such scenario or suite: ${word}` : 'name one scenario or suite',
    );
  if (!PROFILES.includes(values.profile))
    throw new UsageError(`no such profile: ${values.profile}; there are ${PROFILES.join(', ')}`);
  const url = urlOf('url', values.url);
  if ((url === undefined) !== (values.credentials === undefined))
    throw new UsageError('--url and --credentials go together');
  const ofOther = (['users-file', 'metrics', 'second-url'] as const).filter((name) => values[name] !== undefined);
  if (url === undefined && ofOther.length > 0) throw new UsageError(`--${ofOther[0]} needs --url`);
  if (url !== undefined && !isOnThisMachine(url) && !values.yes)
    throw new UsageError(`this would put load on ${url.href}: add --yes if you may do that`);
  if (url !== undefined && values.keep)
    throw new UsageError('--keep describes this machine, so it does not go with --url');
  const given: GivenTarget | undefined =
    url === undefined
      ? undefined
      : {
          url: baseOf(url) as string,
          credentials: values.credentials as string,
          usersFile: values['users-file'],
          metrics: urlOf('metrics', values.metrics)?.href,
          secondUrl: baseOf(urlOf('second-url', values['second-url'])),
        };
  const run: RunOptions = {
    command: `npm run load -- ${process.argv.slice(2).join(' ')}`,
    suite: Object.hasOwn(suites, word) ? word : null,
    profile: values.profile,
    seconds: numberOf('seconds', values.seconds, 86_400),
    users: numberOf('users', values.users, 100_000),
    otlp: urlOf('otlp', values.otlp),
    resultFolder: resolve(values.results),
    isInterrupted: () => isInterrupted,
    say,
  };
  return {
    names,
    given,
    run,
    parallel: numberOf('parallel', values.parallel, 8) as number,
    keep: values.keep,
    json: values.json,
  };
}

type Options = Exclude<ReturnType<typeof options>, string>;

/** Set by the first signal: the run then stops what it started and ends. */
let isInterrupted = false;

const isAnswering = (api: string): Promise<boolean> =>
  fetch(`${api}/healthz`, { signal: AbortSignal.timeout(5_000) }).then(
    ({ ok }) => ok,
    () => false,
  );

/** Runs scenarios on one target; resolves to whether all passed. */
async function runAll(binary: string, target: Target, { names, parallel, run, keep, json }: Options): Promise<boolean> {
  const waiting = [...names];
  let passed = 0;
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined && !isInterrupted; name = waiting.shift()) {
      if (!(await isAnswering(target.api)))
        throw new Error(`${target.api} no longer answers; not run: ${[name, ...waiting].join(', ')}`);
      const { result, file } = await runScenario(binary, name, target, run);
      if (result.passed) passed += 1;
      const bench = `load ${name} (${run.profile})`;
      const kept =
        keep && result.incidents.length === 0
          ? saveResults([{ bench, ...result.run, figures: figuresOf(result) }])
          : [];
      const paths = [relative(root, file), ...kept].join('\n');
      process.stdout.write(json ? `${JSON.stringify(result)}\n` : `${textTable(result)}\n${paths}\n\n`);
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
  if (names.length > 1) say(`${passed} of ${names.length} scenarios passed`);
  return passed === names.length;
}

async function main(): Promise<number> {
  const given = options();
  if (given === 'help') {
    process.stdout.write(HELP);
    return exit.ok;
  }
  if (given === 'install k6') {
    process.stdout.write(`${await findK6(say)}\n`);
    return exit.ok;
  }
  const products: Product[] = [];
  try {
    // Missing files and options are named before k6 is built.
    const other = given.given && (await givenTarget(given.names, given.given, say));
    const binary = await findK6(say);
    mkdirSync(given.run.resultFolder, { recursive: true });
    const target = other ?? (await startedTarget(given.names, given.run, products, say));
    return (await runAll(binary, target, given)) ? exit.ok : exit.failed;
  } finally {
    for (const product of products.reverse()) await product.stop();
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    if (isInterrupted) return;
    isInterrupted = true;
    say('stopping');
    if (!stopK6()) stopRunningProducts();
  });

function exitCodeOf(err: unknown): number {
  if (isInterrupted) return exit.interrupted;
  const isUsage = err instanceof UsageError || (err as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  say((err as Error).message);
  if (isUsage) say('npm run load -- --help lists scenarios and options');
  if (isUsage) return exit.usage;
  return err instanceof Unreachable || err instanceof K6Missing ? exit.unreachable : exit.failed;
}

try {
  const code = await main();
  process.exitCode = isInterrupted ? exit.interrupted : code;
} catch (err) {
  process.exitCode = exitCodeOf(err);
}
