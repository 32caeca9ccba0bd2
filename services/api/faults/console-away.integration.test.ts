import { expect, test } from 'vitest';
import { eventually } from '#tools/testing/eventually.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { opened } from '#tools/testing/opened.ts';
import { startTcpProxy } from '#tools/testing/processes/tcp-proxy.ts';
import { consoleBrowser } from '../routes/console-harness.ts';

const harness = opened(openApiHarness);
const postgres = opened(() => startTcpProxy(harness.databaseUrl));
const api = opened(() => harness.startCopy({ databaseUrl: postgres.url, hashes: false }));

test('PostgreSQL away: the console says 503 and keeps its session, a sign-in does not begin again, and both go on', async () => {
  const user = await newSignedIn(api);
  await harness.rows`INSERT INTO user_roles (user_id, role) VALUES (${user.id}, 'admin')`;
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
