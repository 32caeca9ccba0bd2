import { expect, test } from 'vitest';
import { callerAt, testCaller } from '#tools/testing/harness/ports.ts';
import { opened } from '#tools/testing/opened.ts';
import { openFactorsHarness } from '../factors/factors-harness.ts';
import { findByCookie } from '../sessions/read-session.ts';
import { userCaller } from './finish-sign-in.ts';
import { signOut } from './sign-out.ts';

const harness = opened(openFactorsHarness);

const liveOf = (userId: string) =>
  harness.rows`SELECT s.id, f.revoked_at AS "revokedAt" FROM sessions s JOIN refresh_families f ON f.sid = s.id
    WHERE s."userId" = ${userId}`;

test('ends the session with its token family on every copy, and no other session', async () => {
  const [person, other] = [await harness.person(), await harness.person()];
  const announced: number[] = [];
  const ports = { ...harness.deps, announceRevocations: () => void announced.push(1) };
  expect(await signOut(ports, {}, person.caller)).toEqual({ success: true });
  expect(announced).toHaveLength(1);
  expect(await liveOf(person.id)).toEqual([]);
  expect(await findByCookie(harness.deps, person.cookie)).toBeNull();
  expect(await liveOf(other.id)).toEqual([{ id: other.sessionId, revokedAt: null }]);
  const [family] = await harness.rows`SELECT revoke_reason FROM refresh_families WHERE sid = ${person.sessionId}`;
  expect(family).toEqual({ revoke_reason: 'sign_out' });
  const cut = await harness.rows`SELECT reason FROM revocations WHERE kind = 'sid' AND value = ${person.sessionId}`;
  expect(cut).toEqual([{ reason: 'sign_out' }]);
});

test('of a session that has already ended is not an error', async () => {
  const { caller } = await harness.person();
  await signOut(harness.deps, {}, caller);
  expect(await signOut(harness.deps, {}, caller)).toEqual({ success: true });
});

test('requires a session', async () => {
  const person = await harness.person();
  for (const caller of [callerAt('198.51.100.7'), testCaller, userCaller(person.id, testCaller)])
    await expect(signOut(harness.deps, {}, caller)).rejects.toMatchObject({ code: 'unauthenticated' });
  expect(await liveOf(person.id)).toHaveLength(1);
});

test('fails if its event cannot be written, and the session lives', async () => {
  const person = await harness.person();
  await harness.rows`CREATE FUNCTION refuse_event() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN IF NEW.type = 'session.ended' THEN RAISE 'no room'; END IF; RETURN NEW; END $$`;
  await harness.rows`
    CREATE TRIGGER refuse_event BEFORE INSERT ON audit_outbox FOR EACH ROW EXECUTE FUNCTION refuse_event()`;
  try {
    await expect(signOut(harness.deps, {}, person.caller)).rejects.toThrow('no room');
  } finally {
    await harness.rows`DROP FUNCTION refuse_event CASCADE`;
  }
  expect(await liveOf(person.id)).toEqual([{ id: person.sessionId, revokedAt: null }]);
});
