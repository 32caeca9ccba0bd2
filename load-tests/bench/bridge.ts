import { createHmac, randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { startBenchIssuer } from '../lib/bench-issuer.ts';
import { requireClean } from '../lib/generator.ts';
import { alternate, medianOf, middleSpeed, type Speed, speedOf } from '../lib/rounds.ts';
import { fill, ratioDetail, targetOf } from './setup.ts';

const CONNECTIONS = 64;
const TOKENS = 4_000;
const WARM_UP_TOKENS = 1_000;
/** People whose apps refresh their token: each session has been seen, and no token has. */
const SESSIONS = 1_000;
const WEBHOOKS = 5_000;
const WEBHOOKS_PER_SECOND = 500;
const SECRET = Buffer.alloc(32, 7);

type Claims = { readonly sub: string };
const claimsOf = (token: string): Claims =>
  JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString()) as Claims;

/** As an import leaves them: one user for the subject of each token. */
async function insertUsers(databaseUrl: string, subjects: readonly string[]): Promise<void> {
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  await database.query(
    `INSERT INTO users (id, email, name, "emailVerified") SELECT id, id || '@bridge.test', 'User', now() FROM unnest($1::text[]) AS n (id)`,
    [subjects],
  );
  await database.query(
    `INSERT INTO legacy_users (provider, legacy_id, user_id) SELECT 'ndjson', id, id FROM unnest($1::text[]) AS n (id)`,
    [subjects],
  );
  await database.query('ANALYZE users, legacy_users');
  await database.end();
}

/** Events of as many users, as Svix signs them; resolves to accepted ones a second. */
async function webhooksPerSecond(api: string, subjects: readonly string[]): Promise<number> {
  let next = 0;
  const startedAt = performance.now();
  const send = async (): Promise<void> => {
    while (next < WEBHOOKS) {
      const subject = subjects[next % subjects.length] as string;
      next += 1;
      const [id, at] = [`msg_${randomUUID()}`, String(Math.floor(Date.now() / 1_000))];
      const body = JSON.stringify({
        type: 'user.updated',
        data: { id: subject, email_addresses: [], first_name: 'User', updated_at: Date.now() },
      });
      const signature = createHmac('sha256', SECRET).update(`${id}.${at}.${body}`).digest('base64');
      const answer = await fetch(`${api}/v1/legacy/webhook`, {
        method: 'POST',
        headers: {
          ...{ 'content-type': 'application/json', 'svix-id': id, 'svix-timestamp': at },
          'svix-signature': `v1,${signature}`,
        },
        body,
      });
      const text = await answer.text();
      if (answer.status !== 202) throw new Error(`webhook: ${answer.status} ${text.slice(0, 300)}`);
    }
  };
  await Promise.all(Array.from({ length: 32 }, send));
  return WEBHOOKS / ((performance.now() - startedAt) / 1_000);
}

async function run(context: BenchContext): Promise<readonly Figure[]> {
  const rounds = context.rounds;
  const issuer = await startBenchIssuer({ tokens: TOKENS * rounds + WARM_UP_TOKENS, sessions: SESSIONS });
  context.onClose(issuer.close);
  const product = await context.start({
    LEGACY_ISSUER: issuer.url,
    LEGACY_JWKS_URI: `${issuer.url}/.well-known/jwks.json`,
    LEGACY_AUDIENCE: issuer.url,
    LEGACY_PROVIDER: 'ndjson',
    LEGACY_BRIDGE_UNTIL: new Date(Date.now() + 86_400_000).toISOString(),
    LEGACY_WEBHOOK_SECRET: `whsec_${SECRET.toString('base64')}`,
  });
  const target = targetOf(product);
  const generator = context.generator();
  context.say('minting tokens of the old provider');
  const tokens = (await (await fetch(`${issuer.url}/tokens`)).json()) as string[];
  const subjects = [...new Set(tokens.map((token) => claimsOf(token).sub))];
  await insertUsers(product.credentials.database_url, subjects);

  const once = async (stock: string): Promise<Speed> => {
    const result = await generator.run({
      warmUpSeconds: 0,
      seconds: 120,
      pid: target.pid,
      productPids: target.productPids ?? [],
      streams: [
        {
          name: 'fresh',
          api: target.api,
          workload: { kind: 'validate', stock, once: true },
          arrival: { kind: 'closed', connections: CONNECTIONS },
        },
      ],
    });
    await generator.put(stock, []);
    return speedOf(requireClean(result));
  };
  const ownOnes = async (stock: string, count: number): Promise<Speed> => {
    const mint = { kind: 'client_credentials', client: product.credentials.client, collect: stock } as const;
    await fill(context, stock, count, mint, { product });
    return once(stock);
  };
  const bridged = async (stock: string, count: number): Promise<Speed> => {
    await generator.put(stock, tokens.splice(0, count));
    return once(stock);
  };
  await ownOnes('own-warm', WARM_UP_TOKENS);
  await bridged('bridge-warm', WARM_UP_TOKENS);
  let round = 0;
  const measured = await alternate(
    rounds,
    {
      own: () => {
        round += 1;
        return ownOnes(`own-${round}`, TOKENS);
      },
      bridge: () => bridged(`bridge-${round}`, TOKENS),
    },
    (n, { own, bridge }) => context.say(`round ${n}: ${ratioDetail(bridge, own)}`),
  );
  const rate = await webhooksPerSecond(product.api, subjects);
  return [
    {
      name: 'validate, never-seen tokens of live sessions of the old provider ÷ own never-seen tokens',
      unit: 'per CPU-second',
      value: medianOf(measured, ({ own, bridge }) => bridge.perCpuSecond / own.perCpuSecond),
      target: { atLeast: 0.8 },
      measured: { connections: CONNECTIONS, tokens: TOKENS, sessions: SESSIONS, rounds: measured },
      detail: ratioDetail(middleSpeed(measured, 'bridge'), middleSpeed(measured, 'own')),
    },
    {
      name: 'webhooks of the old provider, accepted',
      unit: 'per second',
      value: rate,
      target: { atLeast: WEBHOOKS_PER_SECOND },
      measured: { webhooks: WEBHOOKS },
      detail: `${WEBHOOKS} signed events of different users, 32 at once, each kept before its 202`,
    },
  ];
}

export const bridge: Bench = {
  name: 'bridge',
  about: 'tokens and webhooks of the provider that is replaced, against own never-seen tokens',
  run,
};
