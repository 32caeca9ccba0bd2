import { createHmac } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { verifyWebhook } from './webhook-signature.ts';

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
  expect(verify(plain)).toEqual({ id: null });
  expect(verify(plain, Buffer.from('{}'))).toBe('forged');
  expect(verify({ ...plain, 'x-webhook-signature': mac })).toBe('unsigned');
  expect(verify({ ...plain, 'x-webhook-timestamp': undefined })).toBe('unsigned');
  expect(verify(plain, BODY, AT + 301)).toBe('stale');
});
