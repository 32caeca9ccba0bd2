import type { Bench, BenchContext, Figure } from '../lib/bench.ts';
import { alternate, compared, middleSpeed } from '../lib/rounds.ts';
import { betterAuthPeer } from '../peers/better-auth.ts';
import { hydra } from '../peers/hydra.ts';
import { keycloak } from '../peers/keycloak.ts';
import { insertedRows, type Peer } from '../peers/peer.ts';
import { measureClosed, productSpeed, ratioDetail, targetOf, warmUp } from './setup.ts';

const WARM_CONNECTIONS = 64;

async function against(context: BenchContext, name: string, peer: Peer): Promise<Figure[]> {
  const product = await context.product();
  const ours = targetOf(product);
  const ourWork = { kind: 'client_credentials', client: product.credentials.client } as const;
  const theirWork = { kind: 'client_credentials', client: peer.client, path: peer.path } as const;
  await warmUp(context, peer, theirWork, WARM_CONNECTIONS);
  const figures: Figure[] = [];
  for (const connections of [16, 64]) {
    const before = await insertedRows(peer.databaseUrl);
    const rounds = await alternate(
      context.pairs,
      {
        peer: () => measureClosed(context, peer, theirWork, connections),
        ours: () => measureClosed(context, ours, ourWork, connections),
      },
      (round, { peer: base, ours: us }) => context.say(`round ${round}: ${ratioDetail(us, base)}`),
    );
    const inserted = (await insertedRows(peer.databaseUrl)) - before;
    const tokens = rounds.reduce((sum, { peer: { count } }) => sum + count, 0);
    if (inserted < tokens) throw new Error(`${name} wrote ${inserted} rows for ${tokens} tokens`);
    figures.push({
      name: `client credentials ÷ ${name}, ${connections} connections`,
      unit: 'per CPU-second of everything that runs',
      ...compared(rounds, (round) => productSpeed(round.ours) / productSpeed(round.peer)),
      measured: { connections, rounds },
      detail: ratioDetail(middleSpeed(rounds, 'ours'), middleSpeed(rounds, 'peer')),
    });
  }
  return figures;
}

/** All on PostgreSQL with the product's server settings: a token is given only once its row, or its event, is on disk. */
export const peers: Bench = {
  name: 'peers',
  about: 'client credentials against servers that write each token to PostgreSQL',
  async run(context) {
    const product = await context.product();
    const work = { kind: 'client_credentials', client: product.credentials.client } as const;
    await warmUp(context, targetOf(product), work, WARM_CONNECTIONS);
    const figures: Figure[] = [];
    for (const { name, settings, start } of [betterAuthPeer, hydra, keycloak]) {
      context.say(`starting ${name}`);
      const peer = await start(context).catch((err: Error) => err);
      context.versions[name] = peer instanceof Error ? `SKIPPED (${peer.message.split('\n', 1)[0]})` : settings;
      if (peer instanceof Error) context.say(`SKIPPED ${name}: ${peer.message}`);
      else figures.push(...(await against(context, name, peer)));
    }
    return figures;
  },
};
