import { randomInt } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Browser } from '#tools/testing/flows/oauth-browser.ts';
import { newSignedIn } from '#tools/testing/flows/signed-in.ts';
import { openApiHarness } from '#tools/testing/harness/api.ts';
import { askToken, browserOf, newOAuthClient } from '#tools/testing/harness/oauth.ts';
import { type Json, send } from '#tools/testing/http-client.ts';
import { opened } from '#tools/testing/opened.ts';

const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
const GUESSES = 5;

const harness = opened(openApiHarness);
const api = opened(() => harness.startCopy({ hashes: false }));
const LIMITS = { RATE_LIMIT_PROFILE: 'default', RATE_LIMIT_CREDENTIAL_PER_MINUTE: String(GUESSES) };
const guarded = opened(() => harness.startCopy({ hashes: false, env: LIMITS }));
const tv = opened(() => newOAuthClient([api, guarded], 'none', [DEVICE, 'refresh_token']));
const ada = opened(() => newSignedIn(api));
const eve = opened(() => newSignedIn(api));

const begin = async (): Promise<Json> =>
  (await send(api.url, 'POST', '/oauth2/device_authorization', { form: { client_id: tv.client_id } })).body;
const poll = (device_code: string) => askToken(api, tv, { grant_type: DEVICE, device_code });
const pageOf = (browser: Browser, userCode: string) => browser.open(`/device?user_code=${userCode}`);
const anyCode = (): string =>
  Array.from({ length: 8 }, () => LETTERS[randomInt(LETTERS.length)])
    .join('')
    .replace(/^(.{4})/, '$1-');

describe('user codes', () => {
  test('brute force: guesses are limited, by page and by form, and a right one beyond the limit is refused too', async () => {
    const { user_code: userCode } = await begin();
    const browser = browserOf(guarded, eve);
    const statuses = [];
    for (let n = 0; n <= GUESSES; n += 1) statuses.push((await pageOf(browser, anyCode())).status);
    expect(statuses).toEqual([...Array(GUESSES).fill(400), 429]);
    expect((await pageOf(browser, userCode)).status).toBe(429);
    const form = { form_token: 'x'.repeat(43), user_code: userCode, decision: 'allow' };
    expect((await send(guarded.url, 'POST', '/device', { form, cookie: eve.cookie })).status).toBe(429);
  });

  test('a guess tells nothing: malformed, unknown, decided and expired codes get the same page', async () => {
    const [decided, expired] = [await begin(), await begin()];
    const browser = browserOf(api, ada);
    await browser.submit(await pageOf(browser, decided.user_code), { decision: 'deny' });
    await harness.rows`UPDATE oauth_device_grants SET expires_at = clock_timestamp()
      WHERE user_code = ${expired.user_code.replace('-', '')}`;
    const pages = [];
    for (const code of ['AEIOU-123', anyCode(), decided.user_code, expired.user_code]) {
      const { status, text } = await pageOf(browser, code);
      pages.push([status, text.replaceAll(/value="[^"]*"|nonce-[\w+/=-]+/g, '')]);
    }
    expect(new Set(pages.map((page) => JSON.stringify(page))).size).toBe(1);
  });

  test('consent phishing: a link with a code asks every user anew, and names client, account and code', async () => {
    const browser = browserOf(api, ada);
    const first = await begin();
    await browser.submit(await pageOf(browser, first.user_code), { decision: 'allow' });
    expect((await poll(first.device_code)).status).toBe(200);
    const { user_code: userCode, device_code: deviceCode } = await begin();
    const page = await pageOf(browser, userCode);
    for (const shown of ['Tasks &lt;b&gt;', userCode, ada.email, 'only if the device is in front of you'])
      expect(page.text).toContain(shown);
    expect((await poll(deviceCode)).body.error).toBe('authorization_pending');
    // No page of another site can press the button, nor frame it.
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    const [, formToken = ''] = /name="form_token" value="([^"]*)"/.exec(page.text) ?? [];
    const form = { form_token: formToken, user_code: userCode, decision: 'allow' };
    for (const origin of ['https://evil.example', 'null']) {
      const forged = await send(api.url, 'POST', '/device', { form, cookie: ada.cookie, headers: { origin } });
      expect([origin, forged.status]).toEqual([origin, 403]);
    }
    expect((await poll(deviceCode)).body.error).not.toBe(undefined);
  });
});

test('two users who decide one code at once: one decision counts, and its tokens are that user’s', async () => {
  for (let race = 0; race < 10; race += 1) {
    const { user_code: userCode, device_code: deviceCode } = await begin();
    const browsers = [browserOf(api, ada), browserOf(api, eve)] as const;
    const pages = [await pageOf(browsers[0], userCode), await pageOf(browsers[1], userCode)] as const;
    const decisions = race % 2 ? (['allow', 'allow'] as const) : (['allow', 'deny'] as const);
    const done = await Promise.all(
      browsers.map((browser, at) =>
        browser.submit(pages[at] as (typeof pages)[0], { decision: decisions[at] as string }),
      ),
    );
    const winners = done.map(({ text }) => /Device (connected|refused)/.test(text));
    expect(winners.filter(Boolean)).toHaveLength(1);
    const winner = winners.indexOf(true);
    const answer = await poll(deviceCode);
    if (decisions[winner] === 'deny') expect(answer.body.error).toBe('access_denied');
    else {
      const info = await send(api.url, 'GET', '/oauth2/userinfo', { bearer: answer.body.access_token });
      expect(info.body.sub).toBe(winner === 0 ? ada.id : eve.id);
    }
    // Used up: neither decision nor tokens come again.
    expect((await poll(deviceCode)).status).toBe(400);
    expect((await pageOf(browsers[0], userCode)).status).toBe(400);
  }
});
