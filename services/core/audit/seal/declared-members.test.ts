import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Log } from '#services/core/ports.ts';
import { modules } from '#services/modules.ts';
import type { AuditEvent } from '#services/platform/define/audit-event.ts';
import type { AuditMember, AuditMembers } from '#services/platform/define/audit-member.ts';
import type { Json } from '../log/canonical-json.ts';
import { logSealed } from './log-sealed.ts';
import type { OutboxRow, SealedRow } from './seal.store.ts';
import { sealableEvents } from './sealable-event.ts';

// The leaves of all events, whatever stands in a row: they show what a declaration allows, and no other text.

const WORD = 'hivpositive';
/** Texts in the form of our codes, names, ids, digests, scopes and versions, and of ids of other systems. */
const CANARIES = [
  WORD,
  `${WORD}_johndoe`,
  `${WORD}@example.test`,
  `https://example.test/${WORD}`,
  `${WORD}:read`,
  `openid ${WORD}`,
  `${WORD}.done`,
  `user:${WORD}`,
  `http_${WORD}`,
  `CERT_${WORD.toUpperCase()}`,
  `${WORD}Error`,
  `server_secret:${WORD}:x`,
  `20261126130000-${WORD}`,
  `1.2.3-${WORD}-johndoe-1980`,
  `1970-01-01T00:00:00Z ${WORD}`,
  `1980-${WORD}`,
  WORD.repeat(4).slice(0, 43),
  `${WORD.repeat(4).slice(0, 43)}\n`,
  `${WORD.slice(0, 8)}-4444-4444-4444-${WORD}0`,
];

const events: readonly AuditEvent[] = modules.flatMap((module) => module.events);
const OWN_ID = '0190b1d4-0000-7000-8000-000000000001';

const rowOf = (event: AuditEvent, changes: Partial<OutboxRow>): OutboxRow => ({
  id: 1,
  event_id: '0190b1d4-0000-7000-8000-000000000000',
  type: event.type,
  outcome: event.outcomes[0] as string,
  actor_kind: 'user',
  actor_id: OWN_ID,
  target_kind: null,
  target_id: null,
  client_id: null,
  ip_hash: null,
  agent_hash: null,
  detail: {},
  traceparent: null,
  occurred_at_micros: 1_790_000_000_000_000,
  known_seq: null,
  now_micros: 1_790_000_000_000_000,
  ...changes,
});

const sealed = (row: OutboxRow) => {
  const [event] = sealableEvents([row], 0, (count) => Buffer.alloc(count, 1));
  return event as NonNullable<typeof event>;
};
const leafOf = (row: OutboxRow) => JSON.parse(sealed(row).leaf.toString());
const isTelling = (row: OutboxRow): boolean => sealed(row).leaf.toString().toLowerCase().includes(WORD);

/** The canary in every place of a value. */
const shapesOf = (canary: string): Json[] => [
  canary,
  [canary],
  [OWN_ID, canary],
  { [canary]: 1 },
  { user_id: canary },
  [{ role: canary, user_id: OWN_ID }],
  [[{ a: { b: canary } }]],
];

/** A value that fits what the declaration lets the leaf show. */
function fittingOf(member: AuditMember): Json | undefined {
  switch (member.kind) {
    case 'count':
      return 7;
    case 'flag':
      return true;
    case 'instant':
      return '2026-11-26T12:00:00.000Z';
    case 'id':
    case 'person':
      return OWN_ID;
    case 'digest':
      return 'a'.repeat(64);
    case 'release':
      return '0.3.0';
    case 'log_name':
      return 'sallyport.test/audit';
    case 'code':
    case 'label':
      return 'request_invalid';
    case 'reason':
      return 'sign_out';
    case 'scope':
      return 'openid profile';
    case 'one_of':
      return member.values[0];
    case 'list': {
      const of = fittingOf(member.of);
      return of === undefined ? undefined : [of];
    }
    case 'object': {
      const entries = Object.entries(member.members).map(([name, of]) => [name, fittingOf(of)] as const);
      return Object.fromEntries(entries.filter(([, of]) => of !== undefined)) as Json;
    }
    case 'text':
    case 'personal':
    case 'name':
    case 'patient':
      return undefined;
  }
}

const declaredMembers = (event: AuditEvent): [string, AuditMember][] => Object.entries(event.detail as AuditMembers);

describe('a leaf of the public log', () => {
  test('every module declares the members of its events', () => {
    expect(events.length).toBeGreaterThan(120);
    expect(events.flatMap(declaredMembers).length).toBeGreaterThan(300);
  });

  test.each(events.map((event) => [event.type, event] as const))(
    '%s shows no text of a caller in any member',
    (_type, event) => {
      const members = [...declaredMembers(event).map(([member]) => member), 'note', WORD];
      for (const member of members)
        for (const canary of CANARIES)
          for (const value of shapesOf(canary)) {
            const row = rowOf(event, { detail: { [member]: value } });
            if (isTelling(row)) throw new Error(`${event.type} shows ${member}: ${JSON.stringify(value)}`);
          }
    },
  );

  test.each(events.map((event) => [event.type, event] as const))(
    '%s names no actor, target or client by an id that is not ours',
    (_type, event) => {
      const kinds = 'user session client family token api_key key revocation installation queue'.split(' ');
      for (const canary of CANARIES) {
        for (const actorKind of ['user', 'client'])
          expect(isTelling(rowOf(event, { actor_kind: actorKind, actor_id: canary }))).toBe(false);
        expect(isTelling(rowOf(event, { client_id: canary }))).toBe(false);
        // The vault knows the keys of these events: `refuse-key-events.ts`.
        const others = event.type.startsWith('key.') ? kinds.filter((kind) => kind !== 'key') : kinds;
        for (const targetKind of [
          ...others,
          ...'incident control role application signoff subject report import'.split(' '),
          WORD,
        ])
          expect(isTelling(rowOf(event, { target_kind: targetKind, target_id: canary }))).toBe(false);
      }
    },
  );

  test('shows each declared member whose value fits, and nothing is committed to then', () => {
    let shown = 0;
    for (const event of events)
      for (const [member, of] of declaredMembers(event)) {
        const value = fittingOf(of);
        if (value === undefined) continue;
        const row = rowOf(event, { detail: { [member]: value } });
        expect([event.type, leafOf(row).detail], `${event.type} ${member}`).toEqual([event.type, { [member]: value }]);
        if (event.outcomes[0] !== 'refused') expect(sealed(row).personal).toEqual([]);
        shown += 1;
      }
    expect(shown).toBeGreaterThan(250);
  });

  test('of an event that no module declares, commits to every member and to the target', () => {
    const undeclared = { ...events[0], type: 'newer.release', outcomes: ['ok'] } as unknown as AuditEvent;
    const detail = { n: 1, flag: true, code: 'sign_out', [WORD]: WORD, user_id: OWN_ID };
    const row = rowOf(undeclared, { detail, target_kind: 'user', target_id: OWN_ID });
    expect(leafOf(row)).toMatchObject({ type: 'newer.release', outcome: 'ok', detail: {}, actor: { id: OWN_ID } });
    expect(leafOf(row).target).toBeUndefined();
    expect(sealed(row).personal.map(({ field }) => field)).toEqual(['detail', 'target']);
    expect(JSON.parse(sealed(row).personal[0]?.value ?? '')).toEqual(detail);
  });

  test('commits to a type and an outcome that are not words of ours', () => {
    const odd = rowOf(events[0] as AuditEvent, { type: `patient ${WORD}`, outcome: WORD });
    expect(isTelling(odd)).toBe(false);
    expect(leafOf(odd)).toMatchObject({ type: 'undeclared', outcome: 'undeclared' });
    const known = rowOf(events[0] as AuditEvent, { outcome: WORD });
    expect(leafOf(known)).toMatchObject({ type: events[0]?.type, outcome: 'undeclared' });
  });

  test('the words that it shows of any detail are those that the declaration fits', () => {
    const event = events.find(({ type }) => type === 'token.issued') as AuditEvent;
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('grant', 'audience', 'scope', 'reason', 'user_id', 'of', 'x'), fc.jsonValue()),
        (detail) => {
          const shown = leafOf(rowOf(event, { detail: JSON.parse(JSON.stringify(detail)) })).detail;
          for (const [member, value] of Object.entries(shown)) {
            if (value === null) continue;
            expect(['grant', 'scope', 'reason', 'user_id', 'of']).toContain(member);
            expect(typeof value).toBe('string');
          }
        },
      ),
    );
  });

  test('the erasure of a user takes what that user did, and the id that an import gave, not the names of things', () => {
    const event = events.find(({ type }) => type === 'alert.changed') as AuditEvent;
    const subjects = (row: OutboxRow) =>
      Object.fromEntries(sealed(row).personal.map(({ field, subject }) => [field, subject]));
    const imported = rowOf(event, {
      actor_id: '123-45-6789',
      target_kind: 'user',
      target_id: '987-65-4321',
      detail: { name: 'a name', reason: 'a reason', owner: 'x' },
    });
    expect(subjects(imported)).toEqual({
      actor: '123-45-6789',
      target: '987-65-4321',
      'detail.reason': '123-45-6789',
      detail: '123-45-6789',
      names: null,
    });
  });
});

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PERSONAL = { identifier: 'hash-of-an-address', ip: '203.0.113.7' };

function linesOf(...rows: Partial<SealedRow['row']>[]): unknown[] {
  const lines: unknown[] = [];
  const log = { info: (fields: object, message: string) => lines.push({ ...fields, message }) } as unknown as Log;
  const whole = { outcome: 'ok', clientId: null, actorId: 'u1', traceparent: null, ipHash: '1.ip', detail: {} };
  logSealed(
    log,
    rows.map((row, index) => ({ seq: index + 1, row: { ...whole, ...row } }) as unknown as SealedRow),
  );
  return lines;
}

test('a sign-in, the end of a session and a count of validations are one line each, and other events none', () => {
  const traceparent = `00-${TRACE}-b7ad6b7169203331-01`;
  expect(
    linesOf(
      { type: 'user.login', outcome: 'refused', client_id: 'shop', traceparent },
      { type: 'session.ended', detail: { reason: 'sign_out' } },
      { type: 'token.issued' },
      { type: 'token.validations', outcome: 'counted', detail: { active: 3, revoked: 1 } },
    ),
  ).toEqual([
    {
      event: 'user.login',
      outcome: 'refused',
      seq: 1,
      client_id: 'shop',
      trace_id: TRACE,
      message: expect.any(String),
    },
    { event: 'session.ended', outcome: 'ok', seq: 2, reason: 'sign_out', message: expect.any(String) },
    {
      event: 'token.validations',
      outcome: 'counted',
      seq: 4,
      counts: { active: 3, revoked: 1 },
      message: expect.any(String),
    },
  ]);
});

test('a line has a reason of ours, and no text that a person wrote', () =>
  expect(linesOf({ type: 'session.ended', detail: { reason: 'Ada lost her phone' } })).toEqual([
    { event: 'session.ended', outcome: 'ok', seq: 1, message: expect.any(String) },
  ]));

test('a line has neither the person nor what is kept apart of an event', () => {
  const text = JSON.stringify(linesOf({ type: 'user.login', detail: PERSONAL, target_id: 'u1' }));
  for (const value of ['u1', '1.ip', ...Object.values(PERSONAL)]) expect(text).not.toContain(value);
});
