import type { Bench, BenchContext } from '../lib/bench.ts';
import type { Figure } from '../lib/figure.ts';
import { alternateSpeeds, ratio } from '../lib/pairs.ts';
import type { WorkloadSpec } from '../lib/workloads.ts';
import { betterAuthPeer } from '../peers/better-auth.ts';
import { hydra } from '../peers/hydra.ts';
import { keycloak } from '../peers/keycloak.ts';
import { insertedRows, type Peer } from '../peers/peer.ts';
import { CONNECTIONS, fillFamilies, measureClosed, type Target, targetOf, warmUp } from './setup.ts';

const ALGORITHMS = ['RS256', 'ES256'] as const;

type Side = { readonly target: Target; readonly work: WorkloadSpec };

/** Both sides at 16 and at 64 connections, by the CPU time of everything that each runs. */
async function against(
  context: BenchContext,
  { ours, peer }: { readonly ours: Side; readonly peer: Side },
  figure: Pick<Figure, 'name' | 'unit' | 'target'>,
  onWarm: () => Promise<void> = async () => {},
): Promise<Figure[]> {
  for (const { target, work } of [peer, ours]) await warmUp(context, target, work);
  await onWarm();
  const figures: Figure[] = [];
  for (const connections of [16, CONNECTIONS]) {
    const of =
      ({ target, work }: Side) =>
      () =>
        measureClosed(context, target, work, connections);
    const pairs = await alternateSpeeds(context, { peer: of(peer), ours: of(ours) });
    const name = `${figure.name}, ${connections} connections`;
    figures.push(ratio(pairs, { ...figure, name, of: 'ours', to: 'peer', by: 'perProductCpuSecond' }));
  }
  return figures;
}

/** oidc-provider, and a start of the product, with the same algorithm. */
async function forEachAlgorithm(
  context: BenchContext,
  families: number,
  compare: (sides: {
    readonly algorithm: string;
    readonly product: Awaited<ReturnType<BenchContext['product']>>;
    readonly peer: Target;
    readonly heads: readonly string[];
  }) => Promise<Figure[]>,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const algorithm of ALGORITHMS) {
    const product = await context.start({ JWT_ALGORITHM: algorithm });
    const provider = context.baseline('oidc-provider.ts', { NODE_ENV: 'production' });
    const { client } = product.credentials;
    const { api, heads } = await provider.ask<{ api: string; heads: string[] }>({ client, algorithm, families });
    const peer = { api, pid: provider.pid, productPids: [provider.pid] };
    figures.push(...(await compare({ algorithm, product, peer, heads })));
    await product.stop();
    await provider.close();
  }
  return figures;
}

/** Both sign a JWT; oidc-provider stores nothing, and the product records an audit event. */
export const clientPeer: Bench = {
  name: 'client-credentials-peer',
  about: 'POST /oauth2/token, client credentials, against oidc-provider',
  limit: 'RS256: signing; ES256: sealing and storing an audit event for each token',
  run: (context) =>
    forEachAlgorithm(context, 0, async ({ algorithm, product, peer }) => {
      const work = { kind: 'client_credentials', client: product.credentials.client } as const;
      return against(
        context,
        { ours: { target: targetOf(product), work }, peer: { target: peer, work } },
        {
          name: `client credentials (${algorithm}) ÷ oidc-provider`,
          unit: 'per CPU-second of the whole product',
          // A token may cost at most 1.1 times what it costs at oidc-provider.
          target: { atLeast: 0.91 },
        },
      );
    }),
};

/** Both rotate and sign an access token, without an ID token; oidc-provider keeps its tokens in memory, the product on disk. */
export const refreshPeer: Bench = {
  name: 'refresh-peer',
  about: 'POST /v1/tokens/refresh, durable, against oidc-provider with refresh tokens in memory',
  limit: 'RS256: signing; ES256: the rotation and its audit event on disk',
  run: (context) =>
    forEachAlgorithm(context, CONNECTIONS, async ({ algorithm, product, peer, heads }) => {
      const [stock, peerStock] = [`families-${algorithm}`, `peer-families-${algorithm}`];
      await fillFamilies(context, product, stock);
      await context.generator().put(peerStock, heads);
      return against(
        context,
        {
          ours: { target: targetOf(product), work: { kind: 'refresh', stock } },
          peer: { target: peer, work: { kind: 'refresh', stock: peerStock, client: product.credentials.client } },
        },
        {
          name: `refresh without ID token (${algorithm}) ÷ oidc-provider`,
          unit: 'per CPU-second of the whole product',
          target: { atLeast: 1 },
        },
      );
    }),
};

async function againstServer(context: BenchContext, name: string, server: Peer, ours: Side): Promise<Figure[]> {
  const { client, path, databaseUrl, ...target } = server;
  let before = 0;
  const figures = await against(
    context,
    { ours, peer: { target, work: { kind: 'client_credentials', client, path } } },
    { name: `client credentials ÷ ${name}`, unit: 'per CPU-second of everything that runs' },
    async () => {
      before = await insertedRows(databaseUrl);
    },
  );
  const inserted = (await insertedRows(databaseUrl)) - before;
  const tokens = figures
    .flatMap(({ measured }) => measured as readonly { readonly peer: { readonly count: number } }[])
    .reduce((sum, { peer }) => sum + peer.count, 0);
  if (inserted < tokens) throw new Error(`${name} wrote ${inserted} rows for ${tokens} tokens`);
  return figures;
}

/** All on PostgreSQL with the product's server settings: a token is given only once its row, or its event, is on disk. */
export const peers: Bench = {
  name: 'peers',
  about: 'client credentials against servers that write each token to PostgreSQL',
  limit: 'signing (not Better Auth), and storing the token in PostgreSQL',
  async run(context) {
    const product = await context.product();
    const work = { kind: 'client_credentials', client: product.credentials.client } as const;
    const figures: Figure[] = [];
    for (const { name, settings, start } of [betterAuthPeer, hydra, keycloak]) {
      context.say(`starting ${name}`);
      const peer = await start(context).catch((err: Error) => err);
      context.versions[name] = peer instanceof Error ? `SKIPPED (${peer.message.split('\n', 1)[0]})` : settings;
      if (peer instanceof Error) context.say(`SKIPPED ${name}: ${peer.message}`);
      else figures.push(...(await againstServer(context, name, peer, { target: targetOf(product), work })));
    }
    return figures;
  },
};
