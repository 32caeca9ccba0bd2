import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '#tools/testing/eventually.ts';
import { expectRevokedAt, GuaranteeViolated } from '../cases/case.ts';
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
async function expectEnded({ system, clients }: FaultSite, families: readonly TokenFamily[]): Promise<number> {
  const ended = families.filter(({ revocations }) => revocations.some(({ ackedAtMs }) => ackedAtMs !== undefined));
  const ids = ended.map(({ id }) => id);
  const rows = await system.stores.query<{ id: string }>(
    'SELECT id::text FROM refresh_families WHERE id = ANY($1::uuid[]) AND revoked_at IS NOT NULL',
    [ids],
  );
  const there = new Set(rows.map(({ id }) => id));
  const missing = ended.find(({ id }) => !there.has(id));
  if (missing) throw new GuaranteeViolated('an acknowledged end is not in the database of the new primary', missing);
  await expectRevokedAt(
    clients,
    ended.map((family) => family.access.at(-1)!),
  );
  return ended.length;
}

let kills = 0;
let zones = 0;

export const clusterFaults: readonly Fault[] = [
  fault(
    'kill-primary',
    async (site) => {
      const { system, clients } = site;
      const { cluster } = system;
      const user = [...clients.ledger.families.values()].find(({ userId }) => !clients.ledger.exposedUsers.has(userId));
      const name = await cluster?.primary();
      if (!cluster || !name || !user) return 'no primary to kill';
      // By turns: PostgreSQL alone, which Patroni notices, and the machine, which only its lease shows to be dead.
      const what = kills % 2 === 0 ? 'postgres' : 'machine';
      kills += 1;
      const families = await newFamilies(site, user.userId);
      const before = families.map((family) => revokeFamily(clients, family, site.copy));
      await sleep(KILL_AFTER_MS);
      const killedAtMs = now();
      await cluster.kill(name, what);
      const next = await eventually('another primary', () => cluster.primary(), FAILOVER_MS);
      const promotedMs = now() - killedAtMs;
      await Promise.all(before);
      const ended = await expectEnded(site, families);
      await cluster.mend();
      return `${what === 'machine' ? 'machine' : 'PostgreSQL'} of ${name}, then ${next}: primary after ${(promotedMs / 1_000).toFixed(1)} s, ${ended} ends of ${families.length} acknowledged and kept`;
    },
    { needs: 'cluster', hangs: 60 },
  ),
  fault(
    'lose-zone',
    async (site) => {
      const { system, clients, copy } = site;
      const { cluster } = system;
      const user = clients.ledger.families.values().next().value;
      // By turns the zone of the primary, and that of the synchronous standby without which nothing commits.
      const which = zones % 2 === 0 ? 'primary' : 'standby';
      zones += 1;
      const name = await cluster?.[which]();
      if (!cluster || !name || !user) return 'no zone to lose';
      const families = await newFamilies(site, user.userId);
      const before = families.map((family) => revokeFamily(clients, family, copy));
      await sleep(KILL_AFTER_MS);
      const [restarted] = await Promise.all([
        system.copies[copy].restart('SIGKILL').then(now),
        cluster.kill(name, 'machine'),
      ]);
      await eventually('a primary', () => cluster.primary(), FAILOVER_MS);
      await Promise.all(before);
      const ended = await expectEnded(site, families);
      await cluster.mend();
      return `copy ${copy} and the ${which} ${name}, copy back at ${(restarted / 1_000).toFixed(0)} s, ${ended} ends of ${families.length} acknowledged and kept`;
    },
    { needs: 'cluster', hangs: 60 },
  ),
];
