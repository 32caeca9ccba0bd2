import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '#tools/testing/eventually.ts';
import { REVOCATION_BOUND_MS } from '../gates.ts';
import { type Answer, basicOf } from '../http.ts';
import { now } from '../ledger.ts';
import type { Scene } from '../rewinds.ts';
import { type Case, GuaranteeViolated } from './case.ts';

/** How long the fault lasts after the kill. */
const FAULT_MS = 6_000;
const RECOVERY_MS = 10_000;

/** Thaws B's link so that B cannot read a part of its directory, and returns what makes it able again. */
type Fault = (scene: Scene) => Promise<() => Promise<unknown>>;

async function registerAgent({ clients, load, authorization }: Scene): Promise<{ id: string; secret: string }> {
  const name = `Directory ${performance.now()}`;
  const json = { name, owner_id: load.caseUser().id, dpop_bound_access_tokens: false, reason: 'chaos' };
  const made = await clients.ask('A', { path: '/v1/admin/agents', json, headers: { authorization } });
  if (made.status !== 201) throw new Error(`an agent was not registered: ${made.status} ${made.body?.code}`);
  const { agent_id: id, client_secret } = made.body;
  return { id, secret: basicOf({ client_id: id, client_secret }) };
}

/** B must answer the secret of a killed agent with 401 or 503 from the bound on, and serve again when the fault is over. */
async function killWhileUnreadable(scene: Scene, unreadable: Fault): Promise<void> {
  const { clients, system, authorization } = scene;
  const agent = await registerAgent(scene);
  const beat = (secret: string): Promise<Answer> =>
    clients.ask('B', { path: '/v1/agents/heartbeat', json: {}, headers: { authorization: secret } });
  await eventually('B to know the agent', async () => (await beat(agent.secret)).status === 200);
  const link = system.copies.B.links.postgres;
  let restore: (() => Promise<unknown>) | undefined;
  link.freeze();
  try {
    const path = `/v1/admin/agents/${agent.id}/kill`;
    const killed = await clients.ask('A', { path, json: { reason: 'chaos' }, headers: { authorization } });
    if (killed.status !== 200) throw new Error(`the agent was not killed: ${killed.status} ${killed.body?.code}`);
    const ackedAtMs = now();
    restore = await unreadable(scene);
    let refusals = 0;
    while (now() < ackedAtMs + FAULT_MS) {
      const answer = await beat(agent.secret);
      if (answer.sentAtMs < ackedAtMs + REVOCATION_BOUND_MS) continue;
      if (answer.status < 300 && answer.status > 0)
        throw new GuaranteeViolated(`served ${Math.round(answer.sentAtMs - ackedAtMs)} ms after its kill`);
      if (answer.status === 503 && answer.body?.code === 'directory_stale') refusals += 1;
      await sleep(50);
    }
    if (refusals === 0) throw new GuaranteeViolated('B never said that its directory is stale');
  } finally {
    link.thaw();
    await restore?.();
  }
  const live = await registerAgent(scene);
  await eventually('B to serve', async () => (await beat(live.secret)).status === 200, RECOVERY_MS);
  const last = await beat(agent.secret);
  if (last.status !== 401) throw new GuaranteeViolated(`the killed agent is answered ${last.status} after the fault`);
}

/** Any table that the directory reads would do. */
const DIRECTORY_TABLE = 'applications';

export const directoryCases: readonly Case[] = [
  {
    name: 'a copy that finds a table of its directory locked refuses an agent killed at the other',
    run: (scene) =>
      killWhileUnreadable(scene, async ({ system }) => {
        const held = system.stores.query(
          `DO $$ BEGIN LOCK TABLE ${DIRECTORY_TABLE} IN ACCESS EXCLUSIVE MODE; PERFORM pg_sleep(${FAULT_MS / 1_000}); END $$`,
        );
        await eventually('the lock', async () => {
          const locks = await system.stores.query(
            `SELECT FROM pg_locks WHERE relation = '${DIRECTORY_TABLE}'::regclass AND mode = 'AccessExclusiveLock' AND granted`,
          );
          return locks.length > 0;
        });
        system.copies.B.links.postgres.thaw();
        return () => held;
      }),
  },
  {
    name: 'a copy that may not read a table of its directory refuses an agent killed at the other',
    run: (scene) =>
      killWhileUnreadable(scene, async ({ system }) => {
        await system.stores.query(`REVOKE SELECT ON ${DIRECTORY_TABLE} FROM sallyport_api`);
        system.copies.B.links.postgres.thaw();
        return () => system.stores.query('SELECT grant_roles()');
      }),
  },
  {
    name: 'a copy whose reads of its directory get no answer refuses an agent killed at the other',
    run: (scene) =>
      killWhileUnreadable(scene, async ({ system }) => {
        const link = system.copies.B.links.postgres;
        link.thaw();
        link.holdAnswersTo('applicationsRead');
        return async () => link.thaw();
      }),
  },
];
