import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Redis } from '#services/core/ports.ts';
import { AUDIENCE, goodClaims, tokenHarness } from '#tools/testing/harness/token.ts';
import { answerRequest, answerToken, plainTokenOf, type ValidateAnswerPorts } from './validate-answer.ts';

const withRedis = (ports: object, redis: Partial<Redis> = {}): ValidateAnswerPorts =>
  ({ ...ports, redis, recordReplay: async () => {} }) as unknown as ValidateAnswerPorts;

test('the token of a plain body equals what a JSON parser reads; any other body goes to the parser', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (token) => {
      const plain = plainTokenOf(JSON.stringify({ token }));
      if (plain !== null) expect(plain).toBe(token);
    }),
  );
  fc.assert(
    fc.property(fc.json(), (body) => {
      const plain = plainTokenOf(body);
      if (plain !== null) expect(JSON.parse(body)).toEqual({ token: plain });
    }),
  );
  expect(plainTokenOf('{"token":"a.b-c_d"}')).toBe('a.b-c_d');
  const others = [
    '',
    '{}',
    '{"token":""',
    '{"token":"}',
    '{"token": "a"}',
    '{"token":"a","token":"b"}',
    '{"token":"a","audience":"b"}',
    '{"token":"\\u0061"}',
    '{"token":"a"}\n',
    ' {"token":"a"}',
    '{"token":"a"}}',
    '{"token":"a"]',
  ];
  for (const body of others) expect([body, plainTokenOf(body)]).toEqual([body, null]);
});

test('the answer text is the decision as JSON, for active and inactive tokens', async () => {
  const { ports, token } = tokenHarness();
  for (let use = 0; use < 3; use += 1)
    expect(JSON.parse(answerToken(ports, token()))).toEqual({ active: true, claims: goodClaims() });
  expect(JSON.parse(answerToken(ports, 'x'))).toEqual({ active: false, reason: 'malformed' });
  const asked = { token: token(), audience: AUDIENCE, required_scope: 'openid', context: { ip: '192.0.2.1' } };
  expect(JSON.parse(answerRequest(withRedis(ports), asked) as string)).toEqual({ active: true, claims: goodClaims() });
  expect(answerRequest(withRedis(ports), { ...asked, required_scope: 'x' })).toContain('insufficient_scope');
});

test('a claim with any characters is returned unchanged', async () => {
  const { ports, token } = tokenHarness();
  const email = 'ä"\\/\u2028\u0000😀@people.test';
  expect(JSON.parse(answerToken(ports, token({ email }))).claims.email).toBe(email);
});

test('with replay protection, a token id from another address or agent is rejected and ordinary reuse is not; without Redis the answer is 503', async () => {
  const seen = new Map<string, string>();
  const redis: Partial<Redis> = {
    setIfAbsent: async (key, value) => !seen.has(key) && seen.set(key, value).has(key),
    get: async (key) => seen.get(key) ?? null,
  };
  const { ports, token } = tokenHarness({ validateReplay: true });
  const ask = (context: object, at = withRedis(ports, redis)) => answerRequest(at, { token: token(), context });
  for (let use = 0; use < 2; use += 1)
    expect(await ask({ ip: '192.0.2.1', user_agent: 'a' })).toContain('"active":true');
  expect(await ask({ ip: '192.0.2.2', user_agent: 'a' })).toBe('{"active":false,"reason":"binding_mismatch"}');
  expect(await ask({})).toContain('"active":true');
  expect([...seen.values()].join()).not.toContain('192.0.2.1');
  const down = withRedis(ports, { setIfAbsent: () => Promise.reject(new Error('down')) });
  await expect(ask({ ip: '192.0.2.1' }, down)).rejects.toMatchObject({ code: 'replay_store_unavailable' });
});

test('without replay protection, no store is queried', () => {
  const { ports, token } = tokenHarness();
  const answer = answerRequest(withRedis(ports, {}), { token: token(), context: { ip: '192.0.2.1' } });
  expect(typeof answer).toBe('string');
});
