/** `npm run load -- <scenario>`: a k6 scenario against the product, started for it or given. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { saveLoadReport } from './lib/load-report.ts';
import { type Product, startProduct, stopRunningProducts } from './lib/product.ts';

const K6_VERSION = 'v1.8.1';
const root = resolve(import.meta.dirname, '..');
const binFolder = join(root, 'load-tests/.bin');
const scenarioFolder = join(root, 'load-tests/scenarios');
const profileNames = ['smoke', 'load', 'stress', 'spike', 'soak', 'breakpoint'];
/** Exit code of k6 for thresholds that were crossed. */
const K6_THRESHOLDS_CROSSED = 99;
const exit = { ok: 0, thresholds: 1, usage: 2, unreachable: 3 } as const;

// The files k6 starts from export its options; the others are imported by them.
const scenarios = readdirSync(scenarioFolder)
  .filter(
    (file) => file.endsWith('.js') && readFileSync(join(scenarioFolder, file), 'utf8').includes('export const options'),
  )
  .map((file) => file.slice(0, -'.js'.length));

const help = `npm run load -- <scenario> [options]

Runs a k6 scenario (${scenarios.join(', ')}) and exits 1 when one of its thresholds is crossed.

  --profile <name>       ${profileNames.join(', ')} (smoke)
  --target <URL>         a running API instead of one started for this run; needs --credentials
  --credentials <file>   dev-credentials.json of that API
  --json                 the summary on stdout

k6 is taken from PATH, else built once with Go (${K6_VERSION}) into load-tests/.bin.
Summary (JSON), JUnit and Markdown go to load-tests/.results.
`;

class UsageError extends Error {}
class Unreachable extends Error {}

const say = (text: string): void => void process.stderr.write(`load: ${text}\n`);

function onPath(name: string, more: readonly string[] = []): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...more];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/** Path of k6, which is built when it is not there. */
function k6(): string {
  const found = onPath('k6', [binFolder]);
  if (found) return found;
  const go = onPath('go', ['/usr/local/go/bin']);
  const command = `GOBIN=${binFolder} go install go.k6.io/k6@${K6_VERSION}`;
  if (!go)
    throw new Unreachable(
      `k6 is not here, nor Go to build it with. Install k6 ${K6_VERSION}, or Go and then: ${command}`,
    );
  say(`k6 is not here: building ${K6_VERSION} once, two minutes or so (${command})`);
  mkdirSync(binFolder, { recursive: true });
  const build = spawnSync(go, ['install', `go.k6.io/k6@${K6_VERSION}`], {
    cwd: binFolder,
    env: { ...process.env, GOBIN: binFolder, GOFLAGS: '-buildvcs=false' },
    stdio: ['ignore', 2, 2],
  });
  if (build.status !== 0) throw new Unreachable(`k6 could not be built. Try: ${command}`);
  return join(binFolder, 'k6');
}

function options() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      profile: { type: 'string', default: 'smoke' },
      target: { type: 'string' },
      credentials: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const [scenario] = positionals;
  if (values.help) return { ...values, scenario: '' };
  if (scenario === undefined || positionals.length > 1 || !scenarios.includes(scenario))
    throw new UsageError(`name one scenario: ${scenarios.join(', ')}`);
  if (!profileNames.includes(values.profile)) throw new UsageError(`no such profile: ${values.profile}`);
  if ((values.target === undefined) !== (values.credentials === undefined))
    throw new UsageError('--target and --credentials go together');
  if (values.target !== undefined && !URL.canParse(values.target)) throw new UsageError('--target must be a URL');
  return { ...values, scenario };
}

async function requireReachable(target: string, credentials: string): Promise<void> {
  if (!existsSync(credentials)) throw new UsageError(`no such file: ${credentials}`);
  const answer = await fetch(`${target}/readyz`, { signal: AbortSignal.timeout(5_000) }).catch((err: Error) => err);
  if (answer instanceof Error || !answer.ok)
    throw new Unreachable(
      `${target}/readyz ${answer instanceof Error ? `is out of reach: ${answer.message}` : `answers ${answer.status}`}`,
    );
}

function runK6(binary: string, scenario: string, env: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((done, fail) => {
    const child = spawn(binary, ['run', '--no-usage-report', '--quiet', join(scenarioFolder, `${scenario}.js`)], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 2, 2],
    });
    child.once('error', fail);
    child.once('exit', (code, signal) => done(code ?? (signal ? 130 : 1)));
    for (const stop of ['SIGINT', 'SIGTERM'] as const) process.once(stop, () => child.kill(stop));
  });
}

async function main(): Promise<number> {
  const { help: isHelp, scenario, profile, target, credentials, json } = options();
  if (isHelp) {
    process.stdout.write(help);
    return exit.ok;
  }
  const binary = k6();
  const given = target?.replace(/\/+$/, '');
  if (given !== undefined) await requireReachable(given, credentials!);
  const resultFolder = join(root, 'load-tests/.results');
  mkdirSync(resultFolder, { recursive: true });
  const name = `${new Date().toISOString().replaceAll(/[:.]/g, '-')}-${scenario}-${profile}`;
  const summaryFile = join(resultFolder, `${name}.json`);

  let product: Product | undefined;
  try {
    if (given === undefined) {
      say('starting the product in a data directory of its own');
      product = await startProduct();
    }
    const api = given ?? product!.api;
    const credentialsFile =
      credentials === undefined ? join(product!.dataDir, 'dev-credentials.json') : resolve(credentials);
    say(`${scenario}, profile ${profile}, against ${api}`);
    const status = await runK6(binary, scenario, {
      TARGET: api,
      CREDENTIALS_FILE: credentialsFile,
      PROFILE: profile,
      SUMMARY_FILE: summaryFile,
    });
    if (!existsSync(summaryFile)) throw new Error(`k6 ended with exit code ${status} and left no summary`);
    const report = saveLoadReport(summaryFile, { scenario, profile, target: api, k6Version: K6_VERSION });
    process.stdout.write(json ? readFileSync(summaryFile, 'utf8') : `${report.table}\n`);
    say(`saved ${report.files.map((file) => relative(root, file)).join(', ')}`);
    if (status !== 0 && status !== K6_THRESHOLDS_CROSSED) throw new Error(`k6 ended with exit code ${status}`);
    return status === 0 && report.passed ? exit.ok : exit.thresholds;
  } finally {
    await product?.stop();
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stopRunningProducts);
try {
  process.exitCode = await main();
} catch (err) {
  const isUsage = err instanceof UsageError || (err as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  say((err as Error).message);
  if (isUsage) process.stderr.write(`\n${help}`);
  process.exitCode = isUsage ? exit.usage : err instanceof Unreachable ? exit.unreachable : exit.thresholds;
}
