import { describe, expect, test } from 'vitest';
import { defineAuditEvent } from '#services/platform/define/audit-event.ts';
import { count, text } from '#services/platform/define/audit-member.ts';
import type { Statement } from '#services/platform/define/statement.ts';
import type { Caller, RequestContext, Sql } from '../ports.ts';
import { auditActor, createIdentifierHashes, keyedHash, setAuditContext } from './audit-context.ts';
import { auditRow, recordEvent } from './record-event.ts';

const request: RequestContext = {
  ip: '203.0.113.9',
  userAgent: 'agent/1',
  traceId: '0af7651916cd43dd8448eb211c80319c',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00',
};
const key = Buffer.alloc(32, 7);
const event = defineAuditEvent({
  type: 'test.done',
  outcomes: ['ok', 'refused'],
  detail: { n: count, text },
  meaning: 'x',
});
const user: Caller = {
  kind: 'user',
  userId: 'u1',
  sessionId: 's1',
  clientId: 'sallyport',
  permissions: new Set(),
  by: 'bearer',
  tokenId: 't1',
  familyId: null,
  authTime: 1,
  request,
};

const recording = (): Sql & { calls: [string, readonly unknown[]][] } => {
  const calls: [string, readonly unknown[]][] = [];
  return {
    calls,
    query: async <R>(statement: Statement, values: readonly unknown[] = []): Promise<R[]> => {
      calls.push([statement.name, values]);
      return [];
    },
  };
};

describe('actor', () => {
  test('has address and agent as keyed hashes with their key version, never in clear', () => {
    const hashIdentifier = createIdentifierHashes(() => ({ version: 3, key }));
    const actor = auditActor({ ...user, request: { ...request, hashIdentifier } });
    expect(actor).toEqual({
      actor_kind: 'user',
      actor_id: 'u1',
      client_id: 'sallyport',
      ip_hash: `3.${keyedHash(key, 'ip', request.ip)}`,
      agent_hash: `3.${keyedHash(key, 'agent', request.userAgent)}`,
      traceparent: request.traceparent,
    });
    expect(JSON.stringify(actor)).not.toContain(request.ip);
    expect(JSON.stringify(actor)).not.toContain(request.userAgent);
  });

  test('has one hash for an address, however a proxy or a listener for IPv6 writes it', () => {
    const hashIdentifier = createIdentifierHashes(() => ({ version: 3, key }));
    for (const ip of ['::ffff:203.0.113.9', '::FFFF:203.0.113.9', '::ffff:cb00:7109'])
      expect(hashIdentifier('ip', ip)).toBe(hashIdentifier('ip', request.ip));
    expect(hashIdentifier('ip', '2001:DB8:0::1')).toBe(hashIdentifier('ip', '2001:db8::1'));
    expect(hashIdentifier('ip', '2001:db8::2')).not.toBe(hashIdentifier('ip', '2001:db8::1'));
  });

  test('has neither hash nor clear value without a key', () =>
    expect(auditActor(user)).toMatchObject({ ip_hash: null, agent_hash: null }));

  test('has different hashes for the same text as address and as agent, and for another key', () => {
    expect(keyedHash(key, 'ip', 'x')).not.toBe(keyedHash(key, 'agent', 'x'));
    expect(keyedHash(key, 'ip', 'x')).not.toBe(keyedHash(Buffer.alloc(32, 8), 'ip', 'x'));
  });

  test.each<[Caller, string | null, string | null]>([
    [{ kind: 'anonymous', request }, null, null],
    [{ kind: 'client', clientId: 'c1', permissions: new Set(), by: 'secret', isVetted: true, request }, 'c1', 'c1'],
    [{ kind: 'system', name: 'cli', request: { ip: '', userAgent: '', traceId: '', traceparent: '' } }, 'cli', null],
  ])('names the actor of every kind of caller', (caller, actorId, clientId) => {
    expect(auditActor(caller)).toMatchObject({ actor_kind: caller.kind, actor_id: actorId, client_id: clientId });
  });
});

describe('events', () => {
  test('a row carries type, outcome, target, detail and the trace of the request', async () => {
    const tx = recording();
    await recordEvent(tx, user, event, { outcome: 'ok', target: { kind: 'family', id: 'f1' }, detail: { n: 1 } });
    expect(tx.calls[0]).toEqual([
      'auditOutboxInsert',
      [null, 'test.done', 'ok', 'user', 'u1', 'family', 'f1', 'sallyport', null, null, '{"n":1}', request.traceparent],
    ]);
  });

  test('a member that the event does not declare, or of another type, does not compile', async () => {
    const given: { readonly note?: string } = {};
    const calls = [
      // @ts-expect-error not declared
      () => recordEvent(recording(), user, event, { outcome: 'ok', detail: { note: 'x' } }),
      // @ts-expect-error not declared, by a spread
      () => recordEvent(recording(), user, event, { outcome: 'ok', detail: { n: 1, ...given } }),
      // @ts-expect-error of another type
      () => recordEvent(recording(), user, event, { outcome: 'ok', detail: { n: 'x' } }),
      // @ts-expect-error not declared, by members that are not known
      () => auditRow(user, event, { outcome: 'ok', detail: {} as Readonly<Record<string, unknown>> }),
    ];
    expect(calls).toHaveLength(4);
  });

  test('a string that Postgres rejects cannot fail the statement of a batch', () => {
    const row = auditRow(user, event, {
      outcome: 'refused',
      target: { kind: 'token', id: 'a\0b\ud800' },
      detail: { text: 'x\0\udc00' },
      clientId: 'other',
    });
    expect([row[6], JSON.parse(row[10]), row[7]]).toEqual(['ab\ufffd', { text: 'x\ufffd' }, 'other']);
  });

  test('settings of the transaction pass actor and reason to the row triggers', async () => {
    const tx = recording();
    await setAuditContext(tx, user, 'sign_out');
    await setAuditContext(tx, { kind: 'anonymous', request: { ...request, traceparent: '' } });
    await setAuditContext(tx, user, 'in their own words', 'incident');
    expect(tx.calls.map(([, values]) => values)).toEqual([
      ['user', 'u1', 'sallyport', '', '', request.traceparent, 'sign_out', ''],
      ['anonymous', '', '', '', '', '', '', ''],
      ['user', 'u1', 'sallyport', '', '', request.traceparent, 'in their own words', 'incident'],
    ]);
  });
});
