import { expect, test } from 'vitest';
import type { Caller } from '../ports.ts';
import { assertRecentSignIn } from './recent-sign-in.ts';

const rule = { maxAgeSeconds: 600, needsSecondFactor: false, clock: { now: () => 1_000_000 } };
const person = { kind: 'user', authTime: 1_000, acr: 'aal2' } as unknown as Caller;

test('a user’s API key gets a separate error code, since no step-up would help', () => {
  const ask = (by: string) => () => assertRecentSignIn({ ...person, by } as Caller, rule, { usesPermission: true });
  for (const by of ['bearer', 'session']) expect(ask(by), by).not.toThrow();
  expect(ask('api_key')).toThrow(expect.objectContaining({ code: 'api_key_not_accepted' }));
});
