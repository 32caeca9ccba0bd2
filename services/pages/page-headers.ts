import { createHash } from 'node:crypto';

export type PageParts = {
  /** Exact text of each style element. */
  readonly styles?: readonly string[];
  /** Exact text of each script element. If absent, `default-src` applies. */
  readonly scripts?: readonly string[];
  readonly loadsOwnScripts?: boolean;
  /** Addresses of its images, without query, or `'self'` for images of our origin. */
  readonly images?: readonly string[];
  /** Whether its scripts may send requests to our origin. */
  readonly connects?: boolean;
  /** Targets to which the page's forms may be sent; none by default. */
  readonly formAction?: string;
  /** Whether the page that opened it keeps its `window` reference, as needed for sign-in in a popup. */
  readonly keepsOpener?: boolean;
};

/** The sources of a policy that allows these texts. @param isOwn files of our origin too */
export function sourcesOf(texts: readonly string[], isOwn = false): string {
  const hashes = texts.map((text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`);
  const sources = [...(isOwn ? ["'self'"] : []), ...hashes];
  return sources.length === 0 ? "'none'" : sources.join(' ');
}

/**
 * Headers of an HTML page: it may use only its inline content (CSP Level 3 §2.3.1), no page may frame it, and the
 * page that opened it loses its `window` reference unless allowed.
 */
export const pageHeaders = ({
  styles = [],
  scripts,
  loadsOwnScripts,
  images,
  connects,
  formAction = "'none'",
  keepsOpener,
}: PageParts): Record<string, string> => ({
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': [
    "default-src 'none'",
    `style-src ${sourcesOf(styles)}`,
    ...(scripts || loadsOwnScripts ? [`script-src ${sourcesOf(scripts ?? [], loadsOwnScripts)}`] : []),
    ...(images ? [`img-src ${images.join(' ')}`] : []),
    ...(connects ? ["connect-src 'self'"] : []),
    `form-action ${formAction}`,
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  ...(keepsOpener ? {} : { 'cross-origin-opener-policy': 'same-origin' }),
});
