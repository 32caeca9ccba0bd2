import { createHash } from 'node:crypto';

export type PageParts = {
  /** Text of each style element, letter by letter. */
  readonly styles?: readonly string[];
  /** Text of each script element, letter by letter. */
  readonly scripts?: readonly string[];
  /** Whether its scripts may ask our own origin. */
  readonly connects?: boolean;
  /** Where the page's forms may be sent; nowhere unless given. */
  readonly formAction?: string;
};

const hashes = (texts: readonly string[] = []): string =>
  texts.length === 0
    ? "'none'"
    : texts.map((text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`).join(' ');

/**
 * Headers of an HTML page of ours: it runs and shows what is written in it and nothing else (CSP Level 3 §2.3.1), no
 * page frames it, and none that opened it keeps a hold on it.
 */
export const pageHeaders = ({
  styles,
  scripts,
  connects,
  formAction = "'none'",
}: PageParts): Record<string, string> => ({
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': [
    "default-src 'none'",
    `style-src ${hashes(styles)}`,
    `script-src ${hashes(scripts)}`,
    ...(connects ? ["connect-src 'self'"] : []),
    "base-uri 'none'",
    `form-action ${formAction}`,
    "frame-ancestors 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
});
