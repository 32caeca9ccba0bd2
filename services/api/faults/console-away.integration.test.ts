import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { type ApiCopy, type ApiHarness, openApiHarness } from '#tools/testing/harness/api.ts';
import { startTcpProxy, type TcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { consoleBrowser } from '../routes/console-harness.ts';

let harness: ApiHarness;
let postgres: TcpProxy;
let api: ApiCopy;
beforeAll(async () => {
  harness = await openApiHarness();
  postgres = await startTcpProxy(harness.databaseUrl);
  api = await harness.startCopy({ databaseUrl: postgres.url, hashes: false });
});
afterAll(async () => {
  await harness?.close();
  await postgres?.cut();
});

test('PostgreSQL away: the console says 503 and keeps its session, a sign-in does not begin again, and both go on', async () => {
  const user = await newSignedIn(api);
  await harness.rows(`INSERT INTO user_roles (user_id, role) VALUES ($1, 'admin')`, [user.id]);
  const browser = consoleBrowser(api, user);
  expect(await browser.goTo('/console/sign-in')).toBe('/console');
  const cookie = browser.cookies.get('sallyport.console');
  await postgres.cut();
  // Once the revocations are older than two seconds, the copy can no longer say whether the session has ended.
  const away = await eventually('an answer without PostgreSQL', async () => {
    const answer = await browser.ask('GET', '/console/session');
    return answer.status === 503 && answer;
  });
  expect(away.body.retryable).toBe(true);
  expect((await browser.ask('GET', '/console/api/v1/keys')).status).toBe(503);
  expect(browser.cookies.get('sallyport.console')).toBe(cookie);
  expect((await browser.ask('GET', '/console')).status).toBe(200);
  await postgres.restore();
  const back = await eventually('the same session', async () => {
    const answer = await browser.ask('GET', '/console/api/v1/keys');
    return answer.status === 200 && answer;
  });
  expect(back.body.keys.length).toBeGreaterThan(0);
});
