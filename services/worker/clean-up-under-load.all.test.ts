import { expect, test } from 'vitest';
import { cleanUpExpiredSessionsJob } from '#jobs/contracts/identity.ts';
import { cleanUpExpiredTokensJob } from '#jobs/contracts/tokens.ts';
import { eventually } from '#tools/testing/eventually.ts';
import { issueFor, type Pair, refresh, signUp, type TestUser, verdictOn } from '#tools/testing/flows/flows.ts';
import { createTestPorts, queryRows } from '#tools/testing/harness/ports.ts';
import { startProductHarness } from '#tools/testing/harness/product.ts';
import { readyProducer } from '#tools/testing/harness/redis.ts';
import { opened, partOf } from '#tools/testing/opened.ts';
import { insertExpired } from '../core/shared/expired-rows-harness.ts';

/** Rows of each kind: several batches. */
const ROWS = 2_500;

// Long enough that a busy machine's slow answers are not mistaken for refusals by the clean-up.
const harness = opened(() => startProductHarness({ WORKER_COPIES: '1', REVOCATION_STALENESS_MS: '30000' }));
const product = partOf(() => harness.product);
const producer = opened(() => readyProducer(product.credentials.redis_url));
const ports = opened(async () => createTestPorts(product.credentials.database_url));

const expired = async (): Promise<number> => {
  const [row] = await queryRows(product.credentials.database_url)`
    SELECT (SELECT count(*) FROM refresh_families WHERE sid LIKE 'gone-%') + (SELECT count(*) FROM sessions
    WHERE id LIKE 'gone-%')
    + (SELECT count(*) FROM revocations WHERE expires_at < now() - interval '2 days') AS n`;
  return Number(row?.n);
};

test('a week of expired rows is deleted while tokens are validated and refreshed, and no request is refused', async () => {
  const people: TestUser[] = await Promise.all([signUp(product), signUp(product)]);
  const living: Pair[] = await Promise.all(
    Array.from({ length: 6 }, (_, n) => issueFor(product, people[n % 2]?.id ?? '')),
  );
  await insertExpired(ports.sql, ROWS);
  expect(await expired()).toBeGreaterThanOrEqual(2 * ROWS);
  const refused: string[] = [];
  let refreshes = 0;
  let isOver = false;
  const clients = living.map(async (first) => {
    for (let pair = first; !isOver; ) {
      for (let n = 0; n < 10 && !isOver; n += 1) {
        const verdict = await verdictOn(product, pair.access_token);
        if (verdict !== 'active') refused.push(`validate: ${verdict}`);
      }
      const next = await refresh(product, pair.refresh_token);
      if (next.status !== 200) {
        refused.push(`refresh: ${next.status} ${next.text}`);
        return;
      }
      pair = next.body as Pair;
      refreshes += 1;
    }
  });
  try {
    for (const job of [cleanUpExpiredTokensJob, cleanUpExpiredSessionsJob]) await producer.enqueue(job, {});
    // Its clients keep the machine busy until then.
    const isDone = async () => refreshes >= living.length && (await expired()) === 0;
    await eventually('clients to refresh, and the expired rows to be gone', isDone, 180_000);
  } finally {
    isOver = true;
    await Promise.all(clients);
  }
  expect(refused).toEqual([]);
});
