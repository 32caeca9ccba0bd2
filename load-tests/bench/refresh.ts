import { issue } from '../lib/api-client.ts';
import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { requireClean, streamOf } from '../lib/generator.ts';
import type { Product } from '../lib/product.ts';
import { alternate, compared, medianOf, middleSpeed, type Speed } from '../lib/rounds.ts';
import { demoUserId, fill, measureClosed, productSpeed, ratioDetail, raw, targetOf, warmUp } from './setup.ts';

const CONNECTIONS = 64;
const SIGNATURES_IN_FLIGHT = 4;

/** A login for every connection: each has a chain of its own and no token is shown twice. */
async function families(context: BenchContext, product: Product, stock: string, count = CONNECTIONS): Promise<void> {
  const workload = {
    kind: 'issue',
    client: product.credentials.client,
    userId: await demoUserId(product),
    collect: stock,
  } as const;
  await fill(context, stock, count, workload, { product });
}

const refreshing = (
  context: BenchContext,
  product: Product,
  stock: string,
  callers: number = CONNECTIONS,
): Promise<Speed> => measureClosed(context, targetOf(product), { kind: 'refresh', stock }, callers);

/** Of raw signing, by connections: with few, a batch is smaller. */
const targets = [
  { connections: 16, atLeast: 0.36 },
  { connections: 64, atLeast: 0.45 },
] as const;

export const refreshAgainstSigning: Bench = {
  name: 'refresh',
  about: 'POST /v1/tokens/refresh, durable, against raw RS256 signing',
  async run(context) {
    const product = await context.product();
    await families(context, product, 'families');
    const pair = await issue(product.api, product.credentials.client, await demoUserId(product));
    const bytes = pair.access_token.lastIndexOf('.');
    await warmUp(context, targetOf(product), { kind: 'refresh', stock: 'families' }, CONNECTIONS);
    const crypto = context.baseline('raw-crypto.ts');
    const figures: Figure[] = [];
    for (const { connections: callers, atLeast } of targets) {
      const rounds = await alternate(
        context.pairs,
        {
          sign: () =>
            raw(crypto, { operation: 'rs256-sign', seconds: context.seconds, bytes, inFlight: SIGNATURES_IN_FLIGHT }),
          ours: () => refreshing(context, product, 'families', callers),
        },
        (round, { sign, ours }) => context.say(`round ${round}: ${ratioDetail(ours, sign)}`),
      );
      figures.push({
        name: `refresh ÷ raw RS256 signing, ${callers} connections`,
        unit: 'per CPU-second',
        ...compared(rounds, ({ sign, ours }) => ours.perCpuSecond / sign.perCpuSecond),
        target: { atLeast },
        measured: { connections: callers, bytes, rounds },
        detail: ratioDetail(middleSpeed(rounds, 'ours'), middleSpeed(rounds, 'sign')),
      });
    }
    return figures;
  },
};

/** Both rotate and sign an access token, without an ID token; oidc-provider keeps its tokens in memory, the product on disk. */
export const refreshPeer: Bench = {
  name: 'refresh-peer',
  about: 'POST /v1/tokens/refresh, durable, against oidc-provider with refresh tokens in memory',
  async run(context) {
    const figures: Figure[] = [];
    for (const algorithm of ['RS256', 'ES256'] as const) {
      const product = await context.start({ JWT_ALGORITHM: algorithm });
      const { client } = product.credentials;
      const [stock, peerStock] = [`families-${algorithm}`, `peer-families-${algorithm}`];
      await families(context, product, stock);
      const provider = context.baseline('oidc-provider.ts', { NODE_ENV: 'production' });
      const peer = await provider.ask<{ api: string; heads: string[] }>({ client, algorithm, families: CONNECTIONS });
      await context.generator().put(peerStock, peer.heads);
      const base = { api: peer.api, pid: provider.pid, productPids: [provider.pid] };
      const ours = targetOf(product);
      const ourWork = { kind: 'refresh', stock } as const;
      const theirWork = { kind: 'refresh', stock: peerStock, client } as const;
      await warmUp(context, base, theirWork, CONNECTIONS);
      await warmUp(context, ours, ourWork, CONNECTIONS);
      for (const { connections: callers } of targets) {
        const rounds = await alternate(
          context.pairs,
          {
            peer: () => measureClosed(context, base, theirWork, callers),
            ours: () => measureClosed(context, ours, ourWork, callers),
          },
          (round, { peer: them, ours: us }) => context.say(`round ${round}: ${ratioDetail(us, them)}`),
        );
        figures.push({
          name: `refresh without ID token (${algorithm}) ÷ oidc-provider, ${callers} connections`,
          unit: 'per CPU-second of the whole product',
          ...compared(rounds, (round) => productSpeed(round.ours) / productSpeed(round.peer)),
          target: { atLeast: 1 },
          measured: { connections: callers, rounds },
          detail: ratioDetail(middleSpeed(rounds, 'ours'), middleSpeed(rounds, 'peer')),
        });
      }
      await product.stop();
    }
    return figures;
  },
};

export const refreshGroupCommit: Bench = {
  name: 'refresh-group-commit',
  about: 'refresh with ES256 keys: shared statements against one statement a request',
  async run(context) {
    const shared = await context.start({ JWT_ALGORITHM: 'ES256' });
    const single = await context.start({ JWT_ALGORITHM: 'ES256', GROUP_COMMIT: 'false' });
    try {
      await families(context, shared, 'families-shared');
      await families(context, single, 'families-single');
      const rounds = await alternate(
        context.pairs,
        {
          single: () => refreshing(context, single, 'families-single'),
          shared: () => refreshing(context, shared, 'families-shared'),
        },
        (round, { shared: ours, single: base }) => context.say(`round ${round}: ${ratioDetail(ours, base)}`),
      );
      const detail = ratioDetail(middleSpeed(rounds, 'shared'), middleSpeed(rounds, 'single'));
      return [
        {
          name: 'refresh (ES256) with group commit ÷ without',
          unit: 'per CPU-second',
          ...compared(rounds, ({ shared: ours, single: base }) => ours.perCpuSecond / base.perCpuSecond),
          target: { atLeast: 2 },
          measured: { connections: CONNECTIONS, rounds },
          detail,
        },
        {
          name: 'the same, throughput',
          unit: 'per second',
          ...compared(rounds, ({ shared: ours, single: base }) => ours.perSecond / base.perSecond),
          measured: {},
          detail: `p99 ${middleSpeed(rounds, 'shared').p99Ms?.toFixed(1)} ms against ${middleSpeed(rounds, 'single').p99Ms?.toFixed(1)} ms`,
        },
      ];
    } finally {
      await shared.stop();
      await single.stop();
    }
  },
};

/** What one client feels that sends its next request when the last is answered. */
export const refreshInSequence: Bench = {
  name: 'refresh-in-sequence',
  about: 'one client that refreshes in sequence, RS256 and ES256 keys',
  async run(context) {
    const es256 = await context.start({ JWT_ALGORITHM: 'ES256' });
    const subjects = [
      { algorithm: 'RS256', product: await context.product(), atMost: 6 },
      { algorithm: 'ES256', product: es256, atMost: 3 },
    ];
    const figures: Figure[] = [];
    for (const { algorithm, product, atMost } of subjects) {
      const stock = `sequence-${algorithm}`;
      await families(context, product, stock, 1);
      const workload = { kind: 'refresh', stock } as const;
      await warmUp(context, targetOf(product), workload, 1);
      const rounds = await alternate(context.rounds, {
        one: async () =>
          requireClean(
            await context.generator().run({
              warmUpSeconds: 0,
              seconds: context.seconds,
              streams: [{ name: 'refresh', api: product.api, workload, arrival: { kind: 'closed', connections: 1 } }],
            }),
          ),
      });
      figures.push({
        name: `refresh (${algorithm}) by one client in sequence, p50`,
        unit: 'ms',
        value: medianOf(rounds, ({ one }) => streamOf(one).latency.p50Ms),
        target: { atMost },
        measured: { rounds },
        detail: `p99 ${medianOf(rounds, ({ one }) => streamOf(one).latency.p99Ms).toFixed(2)} ms`,
      });
    }
    await es256.stop();
    return figures;
  },
};
