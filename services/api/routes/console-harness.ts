// For tests only: a browser at the console: its sign-in, and requests as its script sends them.
import { expect } from 'vitest';
import type { TestUser } from '#tools/testing/flows/flows.ts';
import type { Browser } from '#tools/testing/flows/oauth-browser.ts';
import { API_URL } from '#tools/testing/harness/api.ts';
import { browserOf } from '#tools/testing/harness/oauth.ts';
import { type Received, type Sent, send } from '#tools/testing/http-client.ts';

/** What the console's script sends with every request. */
const AS_SCRIPT = { 'x-sallyport-console': '1', 'sec-fetch-site': 'same-origin', origin: API_URL };

export type ConsoleBrowser = Browser & {
  /** Opens an address and follows every redirect of this installation. @returns the path where it ends */
  goTo(path: string): Promise<string>;
  /** A request of the console's script; cookies that the answer sets are kept. */
  ask(method: string, path: string, sent?: Sent): Promise<Received>;
};

/** A browser in which this user is signed in at the account pages. */
export function consoleBrowser(api: { readonly url: string }, user?: TestUser): ConsoleBrowser {
  const browser = browserOf(api, user);
  return {
    ...browser,
    async goTo(path) {
      const shown = await browser.open(path);
      if (shown.leftFor === null) return `${shown.status}`;
      const { origin, pathname, search } = shown.leftFor;
      expect(origin).toBe(API_URL);
      const back = await send(api.url, 'GET', pathname + search, { cookie: cookiesOf(browser) });
      keep(browser, back);
      return back.headers.get('location') ?? `${back.status}`;
    },
    async ask(method, path, sent = {}) {
      const headers = { ...AS_SCRIPT, ...sent.headers };
      const answer = await send(api.url, method, path, { ...sent, cookie: cookiesOf(browser), headers });
      keep(browser, answer);
      return answer;
    },
  };
}

export const cookiesOf = ({ cookies }: Pick<Browser, 'cookies'>): string =>
  [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');

function keep({ cookies }: Pick<Browser, 'cookies'>, { headers }: Received): void {
  for (const line of headers.getSetCookie()) {
    const [pair = ''] = line.split(';', 1);
    const name = pair.slice(0, pair.indexOf('='));
    if (/max-age=0/i.test(line)) cookies.delete(name);
    else cookies.set(name, pair.slice(name.length + 1));
  }
}
