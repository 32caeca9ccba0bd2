import { expect, test } from 'vitest';
import { registry } from '#observability/metrics/instruments.ts';
import type { Caller, Sql } from '#services/core/ports.ts';
import { storeUnavailable } from '#services/platform/errors.ts';
import type { SignInPorts } from '../sign-in/sign-in.ts';
import { answerSecondFactor } from './answer-second-factor.ts';

const caller: Caller = { kind: 'anonymous', request: { ip: '', userAgent: '', traceId: '', traceparent: '' } };
/** Postgres fails before a code is verified. */
const failing = (err: Error): SignInPorts => {
  const sql: Sql = { query: () => Promise.reject(err) };
  return { sql, revocations: { issuingRefusal: () => null } } as unknown as SignInPorts;
};
const unavailable = (): number => {
  const series = registry.collect().find(({ name }) => name === 'sallyport_logins')?.series ?? [];
  const one = series.find(({ labels }) => labels.outcome === 'unavailable' && labels.factor === 'totp');
  return one?.value ?? 0;
};

test.each([
  ['an unreachable store', storeUnavailable({ retryAfterSeconds: 1 })],
  ['a defect of ours', new Error('broken')],
])('counts %s as unavailable, not as a wrong code, and opens no session', async (_name, err) => {
  const before = unavailable();
  const asked = answerSecondFactor(failing(err), { challenge: 'x'.repeat(32), totp: '123456' }, caller);
  await expect(asked).rejects.toBe(err);
  expect(unavailable()).toBe(before + 1);
});
