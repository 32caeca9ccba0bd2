/** `npm run carry-sessions`: live sessions of a running provider become sessions here, counted by an outside client. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startBetterAuth } from './carry/better-auth.ts';
import { startKeycloak } from './carry/keycloak.ts';
import { each, type RunningProvider, type Wanted } from './carry/provider.ts';
import { validate } from './lib/api-client.ts';
import { type Product, startProduct, stopRunningProducts } from './lib/product.ts';

const AT_ONCE = 16;
const TRIES = 10;
const help = `npm run carry-sessions -- [options]

Signs people in at a running provider, imports its users, exchanges every session while the provider runs, and counts.
The exit code is 1 if a session was lost.

  --keycloak <folder>   a distribution of Keycloak (Maven: org.keycloak:keycloak-quarkus-dist)
  --better-auth         Better Auth of this checkout
  --sessions <n>        live sessions (10000)
  --users <n>           whose they are (1000)
`;

type Counted = {
  readonly lost: number;
  readonly doubled: number;
  readonly seconds: number;
  readonly again: number;
  readonly refusals: object;
};

const say = (text: string): void => void process.stderr.write(`${text}\n`);

async function importUsers(product: Product, { kind, exportFile }: RunningProvider): Promise<void> {
  const child = spawn(
    process.execPath,
    [
      'dist/current/cli.mjs',
      'import',
      kind,
      exportFile,
      '--reason',
      'carry sessions over',
      '--yes',
      '--json',
      '--quiet',
    ],
    {
      env: { ...process.env, DATABASE_URL: product.credentials.database_url, SALLYPORT_DATA_DIR: product.dataDir },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`the import ended with ${code}`);
}

type Answer = { readonly code?: string; readonly tokens?: { readonly access_token: string } };

/** Comes back when it is told to (503 with Retry-After), as any client does. */
async function exchange(api: string, token: string): Promise<{ status: number; body: Answer; tries: number }> {
  for (let tries = 1; ; tries += 1) {
    const answer = await fetch(`${api}/v1/legacy/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token }),
    });
    const body = (await answer.json()) as Answer;
    if (answer.status !== 503 || tries === TRIES) return { status: answer.status, body, tries };
    await sleep(Number(answer.headers.get('retry-after') ?? 1) * 1_000);
  }
}

/** Every token once, as the browser of its holder would send it. */
async function carryOver(product: Product, tokens: readonly string[]): Promise<Counted> {
  const refusals: Record<string, number> = {};
  const opened = new Set<string>();
  let lost = 0;
  let again = 0;
  const refuse = (reason: string): void => {
    lost += 1;
    refusals[reason] = (refusals[reason] ?? 0) + 1;
  };
  const startedAt = performance.now();
  await each(tokens.length, AT_ONCE, async (n) => {
    const { status, body, tries } = await exchange(product.api, tokens[n] as string);
    again += tries - 1;
    const token = body.tokens?.access_token;
    if (token === undefined) return refuse(body.code ?? String(status));
    const verdict = await validate(product.api, token);
    if (!verdict.active) return refuse(verdict.reason ?? 'inactive');
    opened.add(String(verdict.claims?.sid));
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  return { lost, doubled: tokens.length - lost - opened.size, seconds, again, refusals };
}

async function run(start: (wanted: Wanted) => Promise<RunningProvider>, wanted: Wanted): Promise<boolean> {
  const provider = await start(wanted);
  let product: Product | undefined;
  try {
    say('starting the product');
    product = await startProduct(provider.settings);
    await importUsers(product, provider);
    say(`exchanging ${provider.tokens.length} sessions`);
    const { lost, doubled, seconds, again, refusals } = await carryOver(product, provider.tokens);
    const rate = Math.round(provider.tokens.length / seconds);
    process.stdout.write(
      `${provider.name}: ${lost} of ${provider.tokens.length} sessions of ${wanted.users} users lost, ${doubled} doubled; ${rate}/s, ${again} asked again ${JSON.stringify(refusals)}\n`,
    );
    return lost === 0 && doubled === 0;
  } finally {
    await product?.stop();
    await provider.stop();
  }
}

const { values } = parseArgs({
  options: {
    keycloak: { type: 'string' },
    'better-auth': { type: 'boolean', default: false },
    sessions: { type: 'string', default: '10000' },
    users: { type: 'string', default: '1000' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});
const { keycloak } = values;
const starts = [
  ...(keycloak === undefined ? [] : [(wanted: Wanted) => startKeycloak(keycloak, wanted)]),
  ...(values['better-auth'] ? [startBetterAuth] : []),
];
if (values.help || starts.length === 0) {
  process.stdout.write(help);
  process.exit(values.help ? 0 : 2);
}
process.once('SIGINT', stopRunningProducts);
const folder = await mkdtemp(join(tmpdir(), 'sallyport-carry-'));
let isWhole = true;
for (const start of starts)
  isWhole =
    (await run(start, { users: Number(values.users), sessions: Number(values.sessions), folder, say })) && isWhole;
await rm(folder, { recursive: true, force: true });
process.exit(isWhole ? 0 : 1);
