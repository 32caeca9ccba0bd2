import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '#tools/testing/eventually.ts';
import { expectRevoked, GuaranteeViolated, newest } from '../cases/case.ts';
import type { PatroniCluster } from '../cluster/patroni.ts';
import { now, type TokenFamily } from '../ledger.ts';
import { issue, revokeFamily } from '../load/tokens.ts';
import { type Fault, type FaultSite, fault } from './fault.ts';

const ENDED = 6;
const FAILOVER_MS = 60_000;
/** From the first revocation to the kill: some are acknowledged then, and some under way. */
const KILL_AFTER_MS = 15;

/** Families that nothing else acts on, each with its last access token. */
async function newFamilies({ clients, copy }: FaultSite, userId: string): Promise<TokenFamily[]> {
  const made = await Promise.all(Array.from({ length: ENDED }, () => issue(clients, userId, copy)));
  return made.filter((family) => family !== undefined);
}

/** What was acknowledged is in the database, by the new primary itself, and both copies refuse its tokens. */
async function expectEnded(site: FaultSite, families: readonly TokenFamily[]): Promise<number> {
  const ended = families.filter(({ revocations }) => revocations.some(({ ackedAtMs }) => ackedAtMs !== undefined));
  const ids = ended.map(({ id }) => id);
  const rows = await site.system.stores.query<{ id: string }>(
    'SELECT id::text FROM refresh_families WHERE id = ANY($1::uuid[]) AND revoked_at IS NOT NULL',
    [ids],
  );
  const there = new Set(rows.map(({ id }) => id));
  const missing = ended.find(({ id }) => !there.has(id));
  if (missing) throw new GuaranteeViolated('an acknowledged end is not in the database of the new primary', missing);
  await expectRevoked(site, ended.map(newest));
  return ended.length;
}

let kills = 0;
let zones = 0;

/** Ends families while a node is lost: what was acknowledged is kept by the next primary. */
async function whileEnding(site: FaultSite, cluster: PatroniCluster, lose: () => Promise<unknown>): Promise<string> {
  const { clients, copy } = site;
  const { families: known, exposedUsers } = clients.ledger;
  const families = await newFamilies(site, [...known.values()].find(({ userId }) => !exposedUsers.has(userId))!.userId);
  const ends = families.map((family) => revokeFamily(clients, family, copy));
  await sleep(KILL_AFTER_MS);
  const lostAtMs = now();
  await lose();
  const next = await eventually('another primary', () => cluster.primary(), FAILOVER_MS);
  const promotedMs = now() - lostAtMs;
  await Promise.all(ends);
  const ended = await expectEnded(site, families);
  await cluster.mend();
  return `then ${next}: primary after ${(promotedMs / 1_000).toFixed(1)} s, ${ended} ends of ${families.length} acknowledged and kept`;
}

export const clusterFaults: readonly Fault[] = [
  fault(
    'kill-primary',
    async (site) => {
      const { cluster } = site.system;
      const name = await cluster?.primary();
      if (!cluster || !name) return 'no primary to kill';
      // By turns: PostgreSQL alone, which Patroni notices, and the machine, which only its lease shows to be dead.
      const what = kills % 2 === 0 ? 'postgres' : 'machine';
      kills += 1;
      const said = await whileEnding(site, cluster, () => cluster.kill(name, what));
      return `${what === 'machine' ? 'machine' : 'PostgreSQL'} of ${name}, ${said}`;
    },
    { needs: 'cluster', hangs: 60 },
  ),
  fault(
    'lose-zone',
    async (site) => {
      const { system, copy } = site;
      const { cluster } = system;
      // By turns the zone of the primary, and that of the synchronous standby without which nothing commits.
      const which = zones % 2 === 0 ? 'primary' : 'standby';
      zones += 1;
      const name = await cluster?.[which]();
      if (!cluster || !name) return 'no zone to lose';
      const lose = () => Promise.all([system.copies[copy].restart('SIGKILL'), cluster.kill(name, 'machine')]);
      return `copy ${copy} and the ${which} ${name}, ${await whileEnding(site, cluster, lose)}`;
    },
    { needs: 'cluster', hangs: 60 },
  ),
];
