// About: services/wings/import/bridge/
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LEGACY_AUDIENCE, startLegacyProvider } from '#tools/testing/fakes/legacy-provider.ts';
import { insertPerson } from '#tools/testing/flows/signed-in.ts';
import { expectReadable, openBrowserHarness, PAGES_ORIGIN } from '#tools/testing/harness/browser.ts';
import { opened } from '#tools/testing/opened.ts';
import { button, heading } from './pages-harness.ts';

let oldApp: Server;
let app: string;
/** What the old application links to. */
let link = '';
/** What its server would have in its log. */
const received: string[] = [];

const provider = opened(startLegacyProvider);
beforeAll(async () => {
  oldApp = createServer((request, reply) => {
    received.push(`${request.url} ${request.headers.referer ?? ''}`);
    reply.setHeader('content-type', 'text/html; charset=utf-8');
    const body = request.url === '/' ? `<a href="${link}">Go on</a>` : '<h1>Home</h1>';
    reply.end(`<!doctype html><title>The old application</title>${body}`);
  });
  await new Promise<void>((done) => oldApp.listen(0, '127.0.0.1', done));
  app = `http://127.0.0.1:${(oldApp.address() as AddressInfo).port}`;
});
const harness = opened(() =>
  openBrowserHarness({
    CORS_ORIGINS: app,
    LEGACY_ISSUER: provider.issuer,
    LEGACY_JWKS_URI: provider.jwksUri,
    LEGACY_AUDIENCE,
  }),
);
afterAll(async () => {
  oldApp?.closeAllConnections();
  oldApp?.close();
});

const newestEntries = 'navigation.entries().map((entry) => entry.url)';

/** A visitor of the old application, and everything that the browser sends meanwhile besides the bodies of forms. */
async function visitor(token: string) {
  const visit = await harness.visit();
  const sent: string[] = [];
  visit.context.on('request', (request) => sent.push(`${request.url()} ${request.headers().referer ?? ''}`));
  link = `${PAGES_ORIGIN}/bridge?return_to=${encodeURIComponent(`${app}/home`)}#${token}`;
  await visit.page.goto(`${app}/`);
  await visit.page.getByRole('link', { name: 'Go on' }).click();
  await visit.page.waitForURL(`${PAGES_ORIGIN}/bridge`);
  return { ...visit, sent };
}

// The pages have one name, and the picture of the last one is kept.
test('a session that is refused leads to the sign-in page, and opens no session', async () => {
  const { page, context, sent } = await visitor(await provider.token({ sub: 'unknown' }));
  await page.getByRole('alert').waitFor();
  await expectReadable(page);
  await page.getByRole('main').getByRole('link').click();
  await page.waitForURL(`${PAGES_ORIGIN}/login?*`);
  expect((await context.cookies(PAGES_ORIGIN)).filter(({ name }) => name.includes('session'))).toEqual([]);
  expect(sent.length).toBeGreaterThan(2);
});

test('a user of the old application goes on signed in, and the token stays nowhere', async () => {
  const userId = await insertPerson(harness.api, 'ada.old@people.test');
  await harness.harness
    .rows`INSERT INTO legacy_users (provider, legacy_id, user_id) VALUES ('clerk', 'ada', ${userId})`;
  const token = await provider.token({ sub: 'ada', sid: 'one', auth_time: Math.floor(Date.now() / 1_000) - 60 });
  const { page, context, sent } = await visitor(token);
  await page.getByText('You continue as ada.old@people.test.').waitFor();
  await expectReadable(page);
  // The account is named, and the browser has no session yet.
  expect((await context.cookies(PAGES_ORIGIN)).filter(({ name }) => name.includes('session'))).toEqual([]);
  expect(JSON.stringify(await page.evaluate(newestEntries))).not.toContain(token);
  await button(page, 'Continue').click();
  await page.waitForURL(`${app}/home`);
  expect(await heading(page)).toBe('Home');
  expect(await page.evaluate('document.referrer')).not.toContain(token);

  const session = await page.context().request.get(`${harness.api.url}/api/auth/session`, {
    headers: { cookie: (await context.cookies(PAGES_ORIGIN)).map(({ name, value }) => `${name}=${value}`).join('; ') },
  });
  expect((await session.json()).user.id).toBe(userId);
  await page.goto(`${PAGES_ORIGIN}/account`);
  expect(new URL(page.url()).pathname).toBe('/account');

  expect(JSON.stringify(await page.evaluate(newestEntries))).not.toContain(token);
  for (const line of [...sent, ...received]) expect(line).not.toContain(token.slice(-43));
  expect(sent.some((line) => line.startsWith(`${PAGES_ORIGIN}/bridge`))).toBe(true);
});

test('without a token the page cannot be sent', async () => {
  const { page } = await harness.visit();
  await page.goto('/bridge');
  expect(await button(page, 'Continue').isDisabled()).toBe(true);
});
