import { expect, test } from 'vitest';
import { queryRows, rawSql } from '#tools/testing/harness/ports.ts';
import { createTestDatabase } from '#tools/testing/harness/stores.ts';
import { opened } from '#tools/testing/opened.ts';
import { readEvents } from './audit-log.ts';
import type { ChaosStores } from './stores.ts';

const database = opened(createTestDatabase);

const query = rawSql((text, values) => queryRows(database.url)(text, values));
const TRACE = 'a'.repeat(32);
const sealedTimes = async (): Promise<number> =>
  (await readEvents({ query } as unknown as ChaosStores)).get(TRACE)?.get('user.login') ?? 0;

test('an event counts once it is sealed, and twice when it is sealed twice', async () => {
  await query`INSERT INTO audit_outbox (type, outcome, actor_kind, traceparent)
    VALUES ('user.login', 'ok', 'system', ${`00-${TRACE}-${'b'.repeat(16)}-00`})`;
  expect(await sealedTimes()).toBe(0);
  const seal = (seq: number) =>
    query`INSERT INTO audit_events (seq, event_id, type, outcome, actor_kind, detail, trace_id, occurred_at, sealed_at,
      leaf)
      VALUES (${seq}, gen_random_uuid(), 'user.login', 'ok', 'system', '{}', ${TRACE}, now(), now(), '\\x00')`;
  await seal(1_000_001);
  expect(await sealedTimes()).toBe(1);
  await seal(1_000_002);
  expect(await sealedTimes()).toBe(2);
});
