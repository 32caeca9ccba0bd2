import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '#tools/testing/eventually.ts';
import { type DashboardAnswer, violationOfUncounted, violationOfUnread } from '../gates-dashboard.ts';
import { type CopyName, now } from '../ledger.ts';
import type { Scene } from '../rewinds.ts';
import { type Case, GuaranteeViolated, newFamily } from './case.ts';

/** Longer than the ten seconds in which the job counts again. */
const UNCOUNTED_MS = 14_000;
const UNREAD_MS = 5_000;
const EVERY_MS = 500;
const BACK_MS = 30_000;

async function read({ clients, authorization }: Scene, copy: CopyName): Promise<DashboardAnswer> {
  const request = { method: 'GET', path: '/v1/admin/dashboard', headers: { authorization } } as const;
  const { status, body } = await clients.ask(copy, request);
  const security = status === 200 ? body.security : undefined;
  return {
    copy,
    status,
    state: security?.state ?? null,
    countedAtMs: security?.as_of ? Date.parse(security.as_of) : null,
    readAtMs: security ? Date.parse(body.as_of) : null,
  };
}

async function readFor(scene: Scene, copies: readonly CopyName[], ms: number): Promise<DashboardAnswer[]> {
  const answers: DashboardAnswer[] = [];
  for (const until = now() + ms; now() < until; await sleep(EVERY_MS))
    answers.push(...(await Promise.all(copies.map((copy) => read(scene, copy)))));
  return answers;
}

/** The newest count that a copy shows is later than this time of the database. */
const untilCounted = (scene: Scene, copy: CopyName, after: number): Promise<unknown> =>
  eventually(`the dashboard of ${copy}`, async () => ((await read(scene, copy)).countedAtMs ?? 0) > after, BACK_MS);

/** As a worker does that stops in the middle of its count. */
const stopCounting = ({ system }: Scene): Promise<unknown> =>
  system.stores.query(
    `DO $$ BEGIN PERFORM 1 FROM monitoring_state FOR UPDATE; PERFORM pg_sleep(${UNCOUNTED_MS / 1_000}); END $$`,
  );

function expectNoViolation(violation: string | undefined): void {
  if (violation !== undefined) throw new GuaranteeViolated(violation);
}

export const dashboardCases: readonly Case[] = [
  {
    name: 'a dashboard whose worker stopped counting says how old its figures are, and goes on by itself',
    run: async (scene) => {
      await untilCounted(scene, 'A', 0);
      const held = stopCounting(scene);
      await eventually('the lock', async () => {
        const holding = await scene.system.stores.query(
          `SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%monitoring_state%'`,
        );
        return holding.length > 0;
      });
      const { readAtMs } = await read(scene, 'A');
      const answers = await readFor(scene, ['A', 'B'], UNCOUNTED_MS - 2_000);
      expectNoViolation(violationOfUncounted(answers, readAtMs ?? 0));
      await held;
      await untilCounted(scene, 'B', readAtMs ?? 0);
    },
  },
  {
    name: 'a copy without its database refuses the dashboard, and shows newer figures afterwards',
    run: async (scene) => {
      const { postgres } = scene.system.copies.B.links;
      const { countedAtMs } = await read(scene, 'B');
      postgres.freeze();
      let answers: DashboardAnswer[];
      try {
        answers = await readFor(scene, ['B'], UNREAD_MS);
      } finally {
        postgres.thaw();
      }
      expectNoViolation(violationOfUnread(answers));
      // Nothing is counted where nothing happens.
      await newFamily(scene);
      await untilCounted(scene, 'B', countedAtMs ?? 0);
    },
  },
];
