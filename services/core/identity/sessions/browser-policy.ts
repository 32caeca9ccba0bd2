/** Rules for pages that use the session cookie. */
export type BrowserPolicy = {
  readonly sessionCookie: string;
  /** `has` decides, byte for byte. */
  readonly trustedOrigins: ReadonlySet<string>;
  readonly secureCookies: boolean;
};
