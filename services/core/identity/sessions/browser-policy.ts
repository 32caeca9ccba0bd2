/** Rules for pages that use the session cookie. */
export type BrowserPolicy = {
  readonly sessionCookie: string;
  /** Our origin and the listed ones, compared byte for byte. */
  readonly trustedOrigins: ReadonlySet<string>;
  readonly secureCookies: boolean;
};
