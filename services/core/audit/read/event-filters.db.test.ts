import { beforeAll, describe, expect, test } from 'vitest';
import { defineStatement } from '#services/platform/define/statement.ts';
import { testCaller, userCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { outcomeOfCall } from '#tools/testing/outcome.ts';
import { type PartyFilter, partyPage } from '../event-filters.store.ts';
import { auditEventsOfOutcome, auditEventsOfOutcomeAndType } from '../events.store.ts';
import { openSealingHarness } from '../seal/sealing-harness.ts';
import type { AuditEventView } from './event-view.ts';
import { fitsFilter, type ListEventsInput, listEvents } from './list-events.ts';
import { listOwnEvents } from './list-own-events.ts';

type Filters = Omit<ListEventsInput, 'limit' | 'cursor'>;

const TRACES = ['a'.repeat(32), 'b'.repeat(32)];
/** The id of a client that has no administrator is a personal value. */
const APP = 'https://app.example.test/client.json';

const harness = opened(() => openSealingHarness());
let all: readonly AuditEventView[];
beforeAll(async () => {
  await harness.raw`INSERT INTO audit_outbox (type, outcome, actor_kind, actor_id, target_kind, target_id, client_id,
    traceparent, occurred_at)
    SELECT CASE WHEN n % 2 = 0 THEN 'user.login' ELSE 'token.issued' END,
      CASE WHEN n % 3 = 0 THEN 'refused' ELSE 'ok' END,
      CASE WHEN n % 3 = 0 THEN 'anonymous' WHEN n % 5 = 0 THEN 'client' ELSE 'user' END,
      CASE WHEN n % 3 = 0 THEN NULL WHEN n % 5 = 0 THEN ${APP} ELSE 'u' || (n % 2 + 1) END,
      CASE WHEN n % 7 = 0 THEN NULL ELSE 'user' END, CASE WHEN n % 7 = 0 THEN NULL ELSE 'u' || (n % 2 + 1) END,
      CASE WHEN n % 4 = 0 THEN ${APP} WHEN n % 4 = 1 THEN 'web' END,
      '00-' || (${TRACES}::text[])[n % 2 + 1] || '-0000000000000001-01',
        clock_timestamp() + make_interval(secs => n % 10)
    FROM generate_series(1::int, 120::int) n`;
  await harness.seal();
  all = (await listEvents(harness, { limit: 1_000 })).events;
});

async function listed(filters: Filters, limit: number): Promise<AuditEventView[]> {
  const events: AuditEventView[] = [];
  let cursor: string | undefined;
  do {
    const page = await listEvents(harness, { ...filters, limit, cursor });
    expect(page.events.length).toBeLessThanOrEqual(limit);
    events.push(...page.events);
    cursor = page.next ?? undefined;
  } while (cursor !== undefined);
  return events;
}

const day = (offsetDays: number): string => new Date(Date.now() + offsetDays * 86_400_000).toISOString();
const filters: readonly [string, Filters][] = [
  ['an actor', { actor: 'user:u1' }],
  ['an actor whose id is a personal value', { actor: `client:${APP}` }],
  ['a target, also of refused events', { target: 'user:u1' }],
  ['a client', { client: 'web' }],
  ['a client whose id is a personal value', { client: APP }],
  ['a trace', { trace: TRACES[0] }],
  ['a target and a type', { target: 'user:u2', type: 'token.issued' }],
  ['a target and an outcome', { target: 'user:u2', outcome: 'refused' }],
  ['an actor and a target', { actor: 'user:u2', target: 'user:u2' }],
  ['a target and a client with a hidden id', { target: 'user:u1', client: APP }],
  [
    'a trace, a target, an actor and a client',
    { trace: TRACES[1], target: 'user:u2', actor: 'user:u2', client: 'web' },
  ],
  ['a trace and hidden ids', { trace: TRACES[0], actor: `client:${APP}`, client: APP }],
  ['a target within a time', { target: 'user:u1', from: day(-1), to: day(1) }],
];

describe('events of', () => {
  test.each(filters)(
    '%s are those of the whole list that fit, newest first, for any page size',
    async (_what, filter) => {
      const expected = all.filter((event) => fitsFilter(event, filter));
      expect(expected.length).toBeGreaterThan(2);
      for (const limit of [1, 5, 200]) expect(await listed(filter, limit)).toEqual(expected);
    },
  );

  test('another kind, id or time are not listed', async () => {
    for (const filter of [
      { actor: 'client:u1' },
      { target: 'session:u1' },
      { actor: 'user:' },
      { client: 'we' },
      { trace: 'c'.repeat(32) },
      { target: 'user:u1', to: day(-1) },
      { target: 'user:u1', from: day(1) },
    ])
      expect(await listed(filter, 100)).toEqual([]);
  });
});

/** Of the hundredth event, by time. */
const someTime = (): string => all.map((event) => event.occurred_at).sort()[100]!;

test.each<[string, () => Filters]>([
  ['an outcome', () => ({ outcome: 'refused' })],
  ['an outcome of many types', () => ({ outcome: 'ok' })],
  ['an outcome of one type', () => ({ outcome: 'refused', type: 'token.issued' })],
  ['an outcome until a time', () => ({ outcome: 'ok', to: someTime() })],
  ['an outcome of one type from a time on', () => ({ outcome: 'ok', type: 'user.login', from: someTime() })],
])('events of %s are those of the whole list that fit, by time, for any page size', async (_what, filterOf) => {
  const filter = filterOf();
  const { from = '', to = '~' } = filter;
  const expected = all
    .filter((event) => fitsFilter(event, filter) && event.occurred_at >= from && event.occurred_at <= to)
    .sort((one, other) => (one.occurred_at < other.occurred_at ? 1 : one.occurred_at > other.occurred_at ? -1 : 0));
  expect(expected.length).toBeGreaterThan(2);
  for (const limit of [1, 7, 200]) expect(await listed(filter, limit)).toEqual(expected);
});

test('a type without the outcome, and an outcome that no event has, have no events', async () => {
  for (const filter of [
    { outcome: 'refused', type: 'audit.log_continued' },
    { outcome: 'replay' },
    { outcome: 'replay', actor: 'user:u1' },
    { outcome: 'ok', to: day(-1) },
  ])
    expect(await listed(filter, 100)).toEqual([]);
});

test('a cursor of the list by time is rejected, since a list of a party is in the order of the log', async () => {
  const { next } = await listEvents(harness, { limit: 1, from: day(-1) });
  const input = { limit: 1, from: day(-1), actor: 'user:u1', cursor: next ?? '' };
  await expect(listEvents(harness, input)).rejects.toMatchObject({ code: 'cursor_invalid' });
});

test('an erased id finds nothing any more', async () => {
  const target = 'user:u2';
  const before = await listed({ target }, 100);
  expect(before.some(({ outcome }) => outcome === 'refused')).toBe(true);
  await harness.raw`DELETE FROM audit_personal WHERE value = ${target}`;
  expect(await listed({ target }, 100)).toEqual([]);
});

test('a row that was altered to fit is shown as it was sealed, and marked', async () => {
  const victim = all.find(({ actor }) => actor.id === 'u1') as AuditEventView;
  await harness.asSuperuser(`UPDATE audit_events SET actor_id = 'forged' WHERE seq = ${victim.seq}`);
  const [found, ...others] = await listed({ actor: 'user:forged' }, 10);
  expect(others).toEqual([]);
  expect(found).toMatchObject({ seq: victim.seq, actor: { kind: 'user', id: null }, altered: true });
});

type PlanNode = {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Plans?: PlanNode[];
};
const nodesOf = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(nodesOf)];

describe('on a large log', () => {
  const party = { kind: 'user', id: 'u1' };

  beforeAll(async () => {
    await harness.raw`INSERT INTO audit_events (seq, event_id, type, outcome, actor_kind, actor_id, target_kind,
      target_id, client_id, detail,
        trace_id, occurred_at, sealed_at, leaf)
      SELECT 1000 + n, gen_random_uuid(), 'test.done', 'ok', 'user', 'u' || n % 500, 'user', 'u' || n % 500,
        'c' || n % 50,
        '{}', md5((n / 3)::text), now(), now(), '' FROM generate_series(1, 20000) n`;
    await harness.raw`INSERT INTO audit_personal (event_id, field, salt, value, seq)
      SELECT event_id, (ARRAY['target', 'actor', 'client_id'])[seq % 3 + 1], sha256(''), 'user:' || actor_id, seq
      FROM audit_events WHERE seq > 1000`;
    await harness.raw`ANALYZE audit_events, audit_personal`;
  });

  test.each<[string, PartyFilter, readonly string[]]>([
    ['a trace', { traceId: 't' }, ['audit_events_trace']],
    ['a target', { target: party }, ['audit_events_target', 'audit_personal_place']],
    ['an actor', { actor: party }, ['audit_events_actor', 'audit_personal_place']],
    ['a client', { clientId: 'web' }, ['audit_events_client', 'audit_personal_place']],
    [
      'a target, an actor and a time',
      { target: party, actor: party, from: 'now' },
      ['audit_events_target', 'audit_personal_place'],
    ],
  ])('a page of %s is read along indexes in their order, and no table as a whole', async (_what, filter, indexes) => {
    const { text } = partyPage(filter).statement;
    const [row] = await harness.sql.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
      defineStatement('')`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${text}`,
    );
    const nodes = nodesOf(row!['QUERY PLAN'][0].Plan);
    const used = nodes.map((node) => node['Index Name']).filter((name) => name !== undefined);
    for (const index of indexes) expect(used).toContain(index);
    // `audit_log` has a few rows.
    const whole = nodes.filter((node) => node['Node Type'] === 'Seq Scan' && node['Relation Name'] !== 'audit_log');
    expect(whole).toEqual([]);
  });

  test.each([
    ['', auditEventsOfOutcome, ['(ROW(outcome, type) > ROW($6, types_1.type))', 'types.type']],
    ['of one type ', auditEventsOfOutcomeAndType, ['$7']],
  ])('a page of an outcome %sis found along its index alone', async (_what, { text }, [...conditions]) => {
    const [row] = await harness.sql.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(
      defineStatement('')`EXPLAIN (GENERIC_PLAN, FORMAT JSON) ${text}`,
    );
    const nodes = nodesOf(row!['QUERY PLAN'][0].Plan).filter((node) => node['Relation Name'] === 'audit_events');
    const page = `(outcome = $6) AND (type = ${conditions.pop()}) AND (occurred_at >= $1) AND (occurred_at <= $2) AND (ROW(occurred_at, seq) < ROW($3, $4))`;
    expect(nodes.map((node) => [node['Index Name'], node['Index Cond']])).toEqual([
      ...[...conditions, `(${page})`].map((condition) => ['audit_events_outcome', condition]),
      // What was found is then read by its number.
      ['audit_events_pkey', expect.stringMatching(/^\(seq = /)],
    ]);
  });
});

test('a filter without a party is no filter of this list', () =>
  expect(() => partyPage({ type: 'user.login' })).toThrow(TypeError));

test('users read what they did, in person or by the scope own.events at the MCP server, and no event of others', async () => {
  const own = await listed({ actor: 'user:u1' }, 1_000);
  expect(own.length).toBeGreaterThan(10);
  const granted = { clientId: 'notes', by: 'mcp', scope: 'openid own.events', authTime: 1 } as const;
  for (const caller of [userCaller('u1', { by: 'session' }), userCaller('u1', granted)])
    expect((await listOwnEvents(harness, { limit: 1_000 }, caller)).events).toEqual(own);
  for (const caller of [userCaller('u1', { ...granted, scope: 'openid own.sessions' }), testCaller])
    expect(outcomeOfCall(() => listOwnEvents(harness, { limit: 1_000 }, caller))).toBe('permission_missing');
});
