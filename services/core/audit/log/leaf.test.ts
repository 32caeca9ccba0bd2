import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalJson, type Json } from './canonical-json.ts';
import { commitmentOf, type LeafEvent, leafOf, sealableDetail } from './leaf.ts';

const event: LeafEvent = {
  seq: 7,
  event_id: '0190b1d4-0000-7000-8000-000000000000',
  type: 'user.login',
  outcome: 'refused',
  actor_kind: 'anonymous',
  actor_id: null,
  target_kind: 'user',
  target_id: 'u1',
  client_id: null,
  detail: { reason: 'password', a: 1 },
  trace_id: '0af7651916cd43dd8448eb211c80319c',
  occurred_at: '2026-11-20T10:00:00.000001Z',
  sealed_at: '2026-11-20T10:00:01.000000Z',
  personal: [{ field: 'ip_hash', salt: Buffer.alloc(32, 1), value: '1.abc' }],
};

describe('leaf', () => {
  test('has one exact text: sorted members, null members omitted, personal fields as commitments', () => {
    const commitment = createHash('sha256')
      .update(
        Buffer.concat([
          Buffer.from('sallyport/audit/personal/v1\0ip_hash\0'),
          Buffer.alloc(32, 1),
          Buffer.from('1.abc'),
        ]),
      )
      .digest('base64');
    expect(leafOf(event).toString()).toBe(
      `{"actor":{"kind":"anonymous"},"detail":{"a":1,"reason":"password"},"event_id":"0190b1d4-0000-7000-8000-000000000000",` +
        `"occurred_at":"2026-11-20T10:00:00.000001Z","outcome":"refused","personal":{"ip_hash":"${commitment}"},` +
        `"sealed_at":"2026-11-20T10:00:01.000000Z","seq":7,"target":{"id":"u1","kind":"user"},` +
        `"trace_id":"0af7651916cd43dd8448eb211c80319c","type":"user.login","v":1}`,
    );
  });

  test('contains no personal value, and equal values have different commitments', () => {
    expect(leafOf(event).toString()).not.toContain('1.abc');
    const one = { field: 'ip_hash', salt: Buffer.alloc(32, 1), value: 'x' };
    expect(commitmentOf(one)).not.toEqual(commitmentOf({ ...one, salt: Buffer.alloc(32, 2) }));
    expect(commitmentOf(one)).not.toEqual(commitmentOf({ ...one, field: 'agent_hash' }));
  });

  test('fits its length prefix for any content of the event', () => {
    const longest = 'x'.repeat(128);
    const leaf = leafOf({
      ...event,
      actor_id: longest,
      target_id: longest,
      client_id: longest,
      detail: sealableDetail({ text: 'ü'.repeat(15_900) }),
    });
    expect(leaf.length).toBeLessThanOrEqual(0xff_ff);
  });

  test('contains digest and size of a detail that is too large, never a truncated one', () => {
    const detail = { text: 'x'.repeat(40_000) };
    const text = canonicalJson(detail);
    expect(sealableDetail(detail)).toEqual({
      omitted_bytes: text.length,
      omitted_sha256: createHash('sha256').update(text).digest('base64'),
    });
    expect(sealableDetail({ text: 'x' })).toEqual({ text: 'x' });
  });
});

describe('canonical JSON (RFC 8785)', () => {
  test('the example of §3.2.3: members sorted by UTF-16 code units', () => {
    const members = ['\u20ac', '\r', '\ufb33', '1', '\ud83d\ude00', '\u0080', '\u00f6'];
    const value = Object.fromEntries(members.map((member) => [member, 0]));
    expect(Object.keys(JSON.parse(canonicalJson(value)) as object).filter((member) => member !== '1')).toEqual([
      '\r',
      '\u0080',
      '\u00f6',
      '\u20ac',
      '\ud83d\ude00',
      '\ufb33',
    ]);
  });

  test('the example of §3.2.2: numbers, escapes and literals', () => {
    const value = JSON.parse(
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}',
    ) as Json;
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  test('parses to the same value, and serializes to the same text again', () =>
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = canonicalJson(value as Json);
        const back = JSON.parse(text) as Json;
        expect(back).toEqual(JSON.parse(JSON.stringify(value)));
        expect(canonicalJson(back)).toBe(text);
      }),
    ));
});

test('a detail has the same size in the order of its members and in canonical order', () =>
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const detail = JSON.parse(JSON.stringify(value)) as Json;
      expect(Buffer.byteLength(canonicalJson(detail))).toBe(Buffer.byteLength(JSON.stringify(detail)));
    }),
  ));
