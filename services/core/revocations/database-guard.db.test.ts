import { randomUUID } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { recordEvent } from '#services/core/audit/record-event.ts';
import type { Marks } from '#services/core/ports.ts';
import { createPool, createSql, createTransact } from '#services/platform/postgres/pool.ts';
import { patient, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOf } from '#tools/testing/outcome.ts';
import { tokenIssued } from '../tokens/audit-events.ts';
import { issueClientToken } from '../tokens/issue/issue-client-token.ts';
import { issuePair } from '../tokens/issue/issue-pair.ts';
import { openIssuingHarness } from '../tokens/issuing-harness.ts';
import { familyFlows } from '../tokens/refresh/refresh-token-harness.ts';
import { revokeToken } from '../tokens/revoke/revoke-token.ts';
import { createMarkedGuard } from './database-guard.ts';

const harness = opened(() => openIssuingHarness());
let state: { incarnation: string; revocation_epoch: number; beat: number };

const flows = opened(() => familyFlows(harness));
const client = opened(() => harness.newClient(['reports']));
const family = opened(() => flows.newFamily());
beforeAll(async () => {
  const dead = await flows.newFamily();
  await revokeToken(harness.ports, { kind: 'family_id', value: dead.family_id, reason: 'test' }, testCaller);
});

/** Ports of a copy whose memory does not show the rewind, so that only the statement itself can refuse. */
const unaware = () => ({ ...harness.ports, revocations: { ...harness.ports.revocations, issuingRefusal: () => null } });

const acts: [string, () => Promise<unknown>][] = [
  ['rotates no refresh token', () => flows.refresh(family.refresh_token, {}, unaware())],
  ['issues no token to a client', () => issueClientToken(unaware(), {}, client)],
  ['creates no token family', () => issuePair(unaware(), { userId: family.userId }, testCaller)],
  [
    'acknowledges no revocation',
    () => revokeToken(unaware(), { kind: 'family_id', value: family.family_id, reason: 'test' }, testCaller),
  ],
  [
    'writes no separate audit event',
    () => recordEvent(unaware().sql, testCaller, tokenIssued, { outcome: 'refused', detail: {} }),
  ],
];

const behind: [string, string][] = [
  ['fewer revocations', 'revocation_epoch = revocation_epoch - 1'],
  // A poll raises the beat by one, at any time.
  ['an older beat', 'beat = beat - 1000'],
  ['another history', 'incarnation = gen_random_uuid()'],
];

const written = async () =>
  harness.rows`SELECT (SELECT count(*) FROM audit_outbox) AS events, (SELECT count(*) FROM revocations) AS revocations,
    (SELECT count(*) FROM refresh_families) AS families, (SELECT sum(generation) FROM refresh_families) AS generations,
    (SELECT sum(issued) FROM token_totals) AS issued`;

describe.each(behind)('a database with %s than this copy has seen', (_what, change) => {
  afterEach(async () => {
    await harness.rows`UPDATE feed_state
      SET incarnation = ${state.incarnation}, revocation_epoch = ${state.revocation_epoch}, beat = ${state.beat}`;
    await harness.poll.wake();
    expect(harness.ports.revocations.issuingRefusal()).toBeNull();
  });

  test.each(acts)('%s', async (_act, work) => {
    await harness.poll.wake();
    const before = await written();
    const returned = 'old.incarnation, old.revocation_epoch, old.beat';
    [state] = (await harness.rows(`UPDATE feed_state SET ${change} RETURNING ${returned}`)) as [typeof state];
    expect(await outcomeOf(work())).toBe('state_rewound');
    expect(await written()).toEqual(before);
    await harness.poll.wake();
    expect(harness.ports.revocations.refusal()).toBe('state_rewound');
  });
});

describe('a process without a poll', () => {
  const state = async (): Promise<Marks> => {
    const [row] = await harness.rows`SELECT incarnation, revocation_epoch::int AS epoch, beat::int FROM feed_state`;
    return { incarnation: row?.incarnation, revocationEpoch: row?.epoch, beat: row?.beat };
  };
  const opened: { end(): Promise<void> }[] = [];
  afterEach(() => Promise.all(opened.splice(0).map((pool) => pool.end())));
  const openWith = (marks: Parameters<typeof createMarkedGuard>[0]) => {
    const guard = createMarkedGuard(marks);
    const pool = createPool({
      ...patient,
      url: harness.databaseUrl,
      connections: 2,
      applicationName: 'test',
      onLost: guard.doubt,
    });
    opened.push(pool);
    const record = () =>
      recordEvent(createSql(pool, guard), testCaller, tokenIssued, { outcome: 'refused', detail: {} });
    const lose = async () => {
      const [pid] = (await pool.query('SELECT pg_backend_pid() AS pid')).rows;
      await harness.rows`SELECT pg_terminate_backend(${pid.pid})`;
      await expect.poll(() => pool.totalCount).toBe(0);
    };
    return { record, lose, transact: createTransact(pool, () => {}, guard) };
  };

  test('does not write to a database behind the high-water marks, and writes again once it has reached them', async () => {
    const here = await state();
    let marks = { ...here, beat: here.beat + 1_000_000 };
    const { record, lose } = openWith({ read: async () => marks });
    expect(await outcomeOf(record())).toBe('state_rewound');
    // Marks never fall, so the database must reach the highest ones that were read.
    await harness.rows`UPDATE feed_state SET beat = beat + 1000000`;
    expect(await outcomeOf(record())).toBe('ok');
    marks = { ...marks, beat: marks.beat + 1_000_000 };
    expect(await outcomeOf(record())).toBe('ok');
    // After a lost connection the database may be another one, so the marks are read again.
    await lose();
    expect(await outcomeOf(record())).toBe('state_rewound');
    await harness.rows`UPDATE feed_state SET beat = beat + 1000000`;
    expect(await outcomeOf(record())).toBe('ok');
  });

  test('writes to a database whose operator accepted the loss of the marked one, and to one without marks', async () => {
    const lost = randomUUID();
    await harness.rows`UPDATE feed_state SET replaced = replaced || ${lost}::uuid`;
    expect(
      await outcomeOf(
        openWith({ read: async () => ({ incarnation: lost, revocationEpoch: 900, beat: 9e12 }) }).record(),
      ),
    ).toBe('ok');
    expect(await outcomeOf(openWith({ read: async () => null }).record())).toBe('ok');
    expect(
      await outcomeOf(openWith({ read: async () => ({ ...(await state()), incarnation: randomUUID() }) }).record()),
    ).toBe('state_rewound');
  });

  test('does not write to a database behind the state that its own transactions have seen', async () => {
    const { record } = openWith({ read: async () => null });
    expect(await outcomeOf(record())).toBe('ok');
    await harness.rows`UPDATE feed_state SET revocation_epoch = revocation_epoch - 1`;
    expect(await outcomeOf(record())).toBe('state_rewound');
    await harness.rows`UPDATE feed_state SET revocation_epoch = revocation_epoch + 1`;
    expect(await outcomeOf(record())).toBe('ok');
  });
});
