import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const harness = opened(openApiHarness);
const api = opened(() => harness.startCopy());

test('an open event stream does not refresh a two-factor session’s idle time and ends with it after an hour', async () => {
  const user = await newSignedIn(api);
  const { id, sessionId, cookie } = user;
  await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${id}, 'auditor')`;
  await harness.rows`UPDATE sessions SET acr = 'aal2', amr = '{pwd,otp,mfa}' WHERE id = ${sessionId}`;
  const token = decodeURIComponent(/session_token=([^.;]+)/.exec(cookie)?.[1] ?? '');
  const cached = `auth:{${createHash('sha256').update(token).digest('base64url')}}`;
  /** Sets the session's last use to that long ago and has it read again. */
  const rest = async (minutes: number): Promise<void> => {
    await harness.rows`UPDATE sessions SET "updatedAt" = now() - ${minutes} * interval '1 minute'
      WHERE id = ${sessionId}`;
    await api.ports.auth.forget(token);
  };
  const restedMinutes = async (): Promise<number> => {
    const [row] =
      await harness.rows`SELECT extract(epoch FROM now() - "updatedAt")::float8 / 60 AS minutes FROM sessions
        WHERE id = ${sessionId}`;
    return row.minutes;
  };

  await rest(30);
  const stream = await fetch(`${api.url}/v1/admin/events`, { headers: { cookie } });
  expect(stream.status).toBe(200);
  expect(await restedMinutes()).toBeLessThan(1);

  await rest(30);
  // Checked again: the session that the check read is in Redis again.
  await expect.poll(() => api.stores.redis.get(cached), { timeout: 20_000 }).not.toBeNull();
  expect(await restedMinutes()).toBeGreaterThanOrEqual(30);
  expect(api.ports.eventStreams.count()).toBe(1);

  await rest(30);
  expect(await send(api.url, 'GET', '/api/auth/session', { cookie })).toMatchObject({ status: 200 });
  expect(await restedMinutes()).toBeLessThan(1);

  await rest(61);
  await stream.text();
  expect(api.ports.eventStreams.count()).toBe(0);
  expect(await send(api.url, 'GET', '/api/auth/session', { cookie })).toMatchObject({ status: 401 });
});
