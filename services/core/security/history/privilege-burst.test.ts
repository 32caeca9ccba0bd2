import { expect, test } from 'vitest';
import { burstOf, type PrivilegeChange } from './privilege-burst.ts';

const change = (minute: number, subject: string, more: Partial<PrivilegeChange> = {}): PrivilegeChange => ({
  at: minute * 60_000,
  type: 'user.role_granted',
  isStrong: true,
  subject,
  ...more,
});

test('three strong changes within ten minutes are a burst', () => {
  const key = change(3, 'key', { type: 'api_key.created' });
  expect(burstOf([change(0, 'ada'), key, change(9, 'bob')])).toEqual({ changes: 3, kinds: 2 });
});

test.each([
  ['none', []],
  ['two', [change(0, 'ada'), change(1, 'bob')]],
  ['three in eleven minutes', [change(0, 'ada'), change(5, 'bob'), change(11, 'eve')]],
  ['the same change again', [change(0, 'ada'), change(1, 'ada'), change(2, 'ada')]],
  ['many ordinary roles', Array.from({ length: 60 }, (_, n) => change(n / 10, `user ${n}`, { isStrong: false }))],
  ['a strong one before ordinary ones', [change(0, 'ada'), change(1, 'bob', { isStrong: false })]],
])('%s are none', (_which, changes) => expect(burstOf(changes)).toBeNull());
