// About: services/platform/queue/
import { availableParallelism, loadavg } from 'node:os';
import { expect, inject, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { connectedClient, queryRows, rawSql } from '#tools/testing/harness/ports.ts';
import { startProduct } from '#tools/testing/harness/product.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

/** What is promised of a machine with time; where processes wait for a core, a start takes as much longer. */
const SEALED_WITHIN_MS = 5_000;
const waitersPerCore = (): number => Math.max(1, (loadavg()[0] as number) / availableParallelism());

const product = opened(() => startProduct({ clusterDir: inject('clusterDir'), isAsShipped: true }));
const holder = opened(() => connectedClient(product.credentials.database_url));

const rows = rawSql<{ n: string }>((text, values) => queryRows(product.credentials.database_url)(text, values));
const unsealed = async () => Number((await rows`SELECT count(*) AS n FROM audit_outbox WHERE seq IS NULL`)[0]?.n);
const writeEvent = async (): Promise<void> => {
  const form = { grant_type: 'client_credentials' };
  expect((await send(product.api, 'POST', '/oauth2/token', { basic: product.credentials.client, form })).status).toBe(
    200,
  );
};
/** A run of sealing that waits for a lock of this test. */
const WAITING = `SELECT count(*) AS n FROM pg_locks WHERE NOT granted AND relation = 'audit_log'::regclass`;

test('after kill -9 in the midst of sealing the next event is sealed within 5 s, also at the third kill in a minute', {
  timeout: 180_000,
}, async () => {
  await eventually('a quiet log', async () => (await unsealed()) === 0);
  const took: number[] = [];
  const crowd = waitersPerCore();
  for (let kill = 0; kill < 3; kill += 1) {
    const pid = await eventually('a worker', () => product.workerPid());
    await holder.query('BEGIN; LOCK TABLE audit_log IN ACCESS EXCLUSIVE MODE');
    await writeEvent();
    await eventually('a run that seals', async () => Number((await rows(WAITING))[0]?.n) > 0);
    process.kill(pid, 'SIGKILL');
    const killedAt = performance.now();
    await holder.query('COMMIT');
    await writeEvent();
    await eventually('the events to be sealed', async () => (await unsealed()) === 0);
    took.push(Math.round(performance.now() - killedAt));
  }
  console.log(`sealed ${took.join(', ')} ms after each kill; ${crowd.toFixed(1)} processes for each core`);
  expect(Math.max(...took)).toBeLessThanOrEqual(SEALED_WITHIN_MS * Math.max(crowd, waitersPerCore()));
});
