import { expect, test } from 'vitest';
import type { LiveSession } from '../sessions/live-session.ts';
import { clientLiveSession } from './client-views.ts';

const at = new Date(0);
const session = { id: 's1', userId: 'u1', createdAt: at, updatedAt: at, expiresAt: at };
const live = (user: object): LiveSession =>
  ({ user: { id: 'u1', email: 'a@b.test', createdAt: at, updatedAt: at, ...user }, session }) as unknown as LiveSession;

test.each([
  [
    { name: null, twoFactorEnabled: null },
    { name: '', twoFactorEnabled: false },
  ],
  [
    { name: 'Ada', twoFactorEnabled: true },
    { name: 'Ada', twoFactorEnabled: true },
  ],
])('a user %j is %j for the client, and the session is named by its id', (user, expected) => {
  const answer = clientLiveSession(live(user));
  expect(answer.user).toMatchObject(expected);
  expect(answer.session.token).toBe('s1');
});
