import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { readLegacyEvent } from './legacy-event.ts';
import { legacySessionId } from './legacy-token.ts';
import { verifyWebhook } from './webhook-signature.ts';

const NOW = 1_800_000_000_000;
const read = (event: object) => readLegacyEvent(event as never, { issuer: 'https://old.example', nowMs: NOW });

describe('an event is read', () => {
  test('in its own form and that of Clerk', () => {
    expect(
      read({ type: 'user.updated', data: { user_id: 'u1', name: 'Ada', image: null }, at: '2026-01-01T00:00:00Z' }),
    ).toEqual({
      kind: 'user_updated',
      subject: 'u1',
      changes: { name: 'Ada', image: null },
      occurredAt: new Date('2026-01-01T00:00:00Z'),
    });
    expect(
      read({
        type: 'user.created',
        timestamp: 1_700_000_000_000,
        data: { id: 'user_1', first_name: 'Ada', last_name: 'Lovelace', image_url: 'https://img.example/a' },
      }),
    ).toEqual({
      kind: 'user_created',
      subject: 'user_1',
      changes: { name: 'Ada Lovelace', image: 'https://img.example/a' },
      occurredAt: new Date(1_700_000_000_000),
    });
  });

  test('without changes for a deleted user, and by the id of a session that ended', () => {
    expect(read({ type: 'user.deleted', data: { id: 'u1', name: 'x', updated_at: 5 } })).toEqual({
      kind: 'user_deleted',
      subject: 'u1',
      changes: {},
      occurredAt: new Date(5_000),
    });
    const session = legacySessionId('https://old.example', 's1');
    for (const [type, data] of [
      ['session.ended', { id: 's1', user_id: 'u1' }],
      ['session.removed', { session_id: 's1' }],
      ['session.revoked', { session_id: 's1', id: 'other' }],
    ] as const)
      expect(read({ type, data })).toEqual({ kind: 'session_ended', session, occurredAt: new Date(NOW) });
  });

  test('with what it says and can be stored, and never of the future', () => {
    const changes = (data: object) => read({ type: 'user.updated', data: { id: 'u', ...data } });
    expect(changes({})).toMatchObject({ changes: {} });
    expect(changes({ first_name: '', last_name: null })).toMatchObject({ changes: { name: null } });
    expect(changes({ name: 'x'.repeat(129), picture: 'a\0b' })).toMatchObject({ changes: { name: null, image: null } });
    for (const image of ['javascript:alert(1)', 'http://tracker.example/1.png', 7])
      expect(changes({ image })).toEqual(expect.objectContaining({ changes: { image: null } }));
    expect(changes({ image: 'https://old.example/a.png' })).toMatchObject({
      changes: { image: 'https://old.example/a.png' },
    });
    for (const at of [NOW + 1, -5, 'soon', {}])
      expect(read({ type: 'user.updated', data: { id: 'u' }, at })).toMatchObject({ occurredAt: new Date(NOW) });
  });
});

test('an event of another type is ignored, and one without a usable id is none', () => {
  expect(read({ type: 'email.created', data: { id: 'x' } })).toBe('ignored');
  for (const id of [undefined, '', -7, 1.5, 2 ** 53, {}, '9.00720E+15', 'x'.repeat(256), 'a\u0000'])
    for (const type of ['user.updated', 'session.ended']) expect(read({ type, data: { id } })).toBeNull();
});

test('an id of digits keeps them, whether a number or text', () => {
  for (const id of ['7', 7]) expect(read({ type: 'user.deleted', data: { id } })).toMatchObject({ subject: '7' });
});

// The example of the Standard Webhooks specification, as its reference libraries test it.
const KEY = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64');
const BODY = Buffer.from('{"test": 2432232314}');
const AT = 1_614_265_330;
const GOOD = {
  'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
  'webhook-timestamp': String(AT),
  'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
};
const verify = (headers: Record<string, string | string[] | undefined>, body = BODY, now = AT) =>
  verifyWebhook(KEY, { headers, body }, now);
const ID = { id: GOOD['webhook-id'] };

describe('a signature of Standard Webhooks', () => {
  test('is accepted: the published example, as Svix sends it, and beside others while a secret is rotated', () => {
    expect(verify(GOOD)).toEqual(ID);
    const svix = Object.fromEntries(
      Object.entries(GOOD).map(([name, value]) => [name.replace('webhook', 'svix'), value]),
    );
    expect(verify(svix)).toEqual(ID);
    const several = `v1a,x v1,Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc= ${GOOD['webhook-signature']}`;
    expect(verify({ ...GOOD, 'webhook-signature': several })).toEqual(ID);
    expect([verify(GOOD, BODY, AT + 300), verify(GOOD, BODY, AT - 300)]).toEqual([ID, ID]);
  });

  test.each([
    ['other bytes', GOOD, Buffer.from('{"test":2432232314}'), 'forged'],
    ['another id', { ...GOOD, 'webhook-id': 'msg_other' }, BODY, 'forged'],
    ['another time', { ...GOOD, 'webhook-timestamp': String(AT + 1) }, BODY, 'forged'],
    ['a short signature', { ...GOOD, 'webhook-signature': 'v1,g0hM' }, BODY, 'forged'],
    [
      'another version',
      { ...GOOD, 'webhook-signature': GOOD['webhook-signature'].replace('v1', 'v2') },
      BODY,
      'forged',
    ],
    ['no id', { ...GOOD, 'webhook-id': undefined }, BODY, 'unsigned'],
    ['an empty id', { ...GOOD, 'webhook-id': '' }, BODY, 'unsigned'],
    ['an id of 256 characters', { ...GOOD, 'webhook-id': 'x'.repeat(256) }, BODY, 'unsigned'],
    ['no time', { ...GOOD, 'webhook-timestamp': undefined }, BODY, 'unsigned'],
    ['two signature headers', { ...GOOD, 'webhook-signature': ['v1,a', 'v1,b'] }, BODY, 'unsigned'],
  ])('is refused with %s', (_what, headers, body, expected) => expect(verify(headers, body)).toBe(expected));

  test('is refused when it is older than five minutes, or ahead, or its time is no number', () => {
    expect([verify(GOOD, BODY, AT + 301), verify(GOOD, BODY, AT - 301)]).toEqual(['stale', 'stale']);
    const time = 'now';
    const mac = createHmac('sha256', KEY).update(`a.${time}.`).update(BODY).digest('base64');
    expect(verify({ 'webhook-id': 'a', 'webhook-timestamp': time, 'webhook-signature': `v1,${mac}` })).toBe('stale');
  });
});

test('the plain form covers time and body', () => {
  const mac = createHmac('sha256', KEY).update(`${AT}.`).update(BODY).digest('hex');
  const plain = { 'x-webhook-timestamp': String(AT), 'x-webhook-signature': `sha256=${mac}` };
  expect([verify(plain), verify(plain, Buffer.from('{}'))]).toEqual([{ id: null }, 'forged']);
  expect(verify({ ...plain, 'x-webhook-signature': mac })).toBe('unsigned');
  expect(verify({ ...plain, 'x-webhook-timestamp': undefined })).toBe('unsigned');
  expect(verify(plain, BODY, AT + 301)).toBe('stale');
});
