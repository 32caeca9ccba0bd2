import { callbackRefused } from '../contracts/social-errors.ts';
import type { BrowserPolicy } from '../sessions/browser-policy.ts';

const ODD = /[\s\\\p{Cc}]/u;

/**
 * Validates where a browser goes after signing in: a path on our origin, or an address on a listed one. Uses the parser
 * that browsers use, so that `//evil`, `/\evil` and `@` cannot lead to another origin. Throws `callback_refused` (400).
 */
export function returnAddress(
  { trustedOrigins }: Pick<BrowserPolicy, 'trustedOrigins'>,
  ownOrigin: string,
  asked: string,
): string {
  const isPath = asked.startsWith('/');
  const url =
    !ODD.test(asked) && URL.canParse(asked, isPath ? ownOrigin : undefined)
      ? new URL(asked, isPath ? ownOrigin : undefined)
      : null;
  const isGood = url !== null && url.username === '' && url.password === '';
  if (!isGood || !(isPath ? url.origin === ownOrigin : trustedOrigins.has(url.origin))) throw callbackRefused();
  return isPath ? asked : url.href;
}

/** The same as an address, for links in mails; undefined without one. */
export const returnPage = (
  browser: Pick<BrowserPolicy, 'trustedOrigins'>,
  ownOrigin: string,
  asked: string | undefined,
): string | undefined =>
  asked === undefined ? undefined : new URL(returnAddress(browser, ownOrigin, asked), ownOrigin).href;
