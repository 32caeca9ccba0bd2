import { bytesOf } from './encoding.ts';
import { BOUNDS, DEFAULTS, LIMITS } from './generated/contract.ts';

export type Algorithm = 'RS256' | 'ES256' | 'EdDSA' | 'HS256';

/** What the verifier reports for logs and metrics. `error` never contains a token or a secret. */
export type VerifierEvent =
  | { readonly type: 'keys_loaded'; readonly keys: number }
  | { readonly type: 'keys_failed'; readonly error: Error }
  | { readonly type: 'feed_read'; readonly epoch: number; readonly entries: number }
  | { readonly type: 'feed_failed'; readonly error: Error }
  | { readonly type: 'introspection_failed'; readonly error: Error };

/** The provider that Sallyport replaces (LEGACY_ISSUER and what belongs to it). */
export type LegacyIssuer = {
  /** Its `iss`. */
  readonly issuer: string;
  /** Its key set. It must be https, except on loopback. */
  readonly jwksUri: string;
  /** The `aud` of its tokens for this service. */
  readonly audience: string;
  /** Until when its tokens are accepted, RFC 3339, as LEGACY_BRIDGE_UNTIL. */
  readonly until: string;
};

export type LegacySettings = Omit<LegacyIssuer, 'until'> & { readonly untilMs: number };

/** Times are in seconds. */
export type VerifierOptions = {
  /** The `iss` of tokens, exactly: JWT_ISSUER, or the public URL of the API. */
  readonly issuer: string;
  /** The audience that tokens must be for. Default: the issuer. */
  readonly audience?: string;
  /** Base URL of the API, if it differs from the issuer. It must be https, except on loopback. */
  readonly url?: string;
  /** Allow `url` to be http on a trusted network. Default: false. */
  readonly allowHttp?: boolean;
  /** Default: RS256, ES256, EdDSA. HS256 only if named here, with `secret`. */
  readonly algorithms?: readonly Algorithm[];
  /** JWT_SECRET of HS256 mode, at least 32 bytes; several while it changes. */
  readonly secret?: string | readonly string[];
  /** Allowed difference between clocks, 0 to 60. Default: 5. */
  readonly clockSkew?: number;
  /** How long keys are used before they are fetched again. Cache-Control may shorten it. Default: 300. */
  readonly jwksTtl?: number;
  /** Shortest time between two fetches caused by an unknown kid. Default: 10. */
  readonly jwksCooldown?: number;
  /**
   * How long keys are used beyond `jwksTtl`, and revocations beyond the bound that the feed names, while they cannot be
   * renewed. Default: 60.
   */
  readonly maxStale?: number;
  /** How revocations are read. `off`: tokens count until they expire. Default: poll. */
  readonly feed?: 'off' | 'poll' | 'sse' | 'file';
  /** Time between two polls of the feed or the file. Default: 0.5. */
  readonly feedInterval?: number;
  /** The file of the feed `file`; `writeFeedFile` of another process writes it. */
  readonly feedFile?: string;
  /** A client with `revocations:read`; for `onStale: 'introspect'` also with `tokens:introspect`. */
  readonly clientId?: string;
  readonly clientSecret?: string;
  /**
   * After `maxStale`: answer 503, accept by the last known keys and revocations, or ask the API about each token.
   * Default: fail.
   */
  readonly onStale?: 'fail' | 'serve' | 'introspect';
  /** Scopes that every token must have. Default: none. */
  readonly requiredScopes?: readonly string[];
  /** Limit of one request to the API. Default: 2. */
  readonly timeout?: number;
  /** Verified tokens kept in memory; 0 for none. Default: 10,000. */
  readonly cacheSize?: number;
  /** Accepts access tokens of the old provider too, until a day, with `issuerKind` in the result. Default: none. */
  readonly legacy?: LegacyIssuer;
  /** Called when keys or revocations were read, or could not be. */
  readonly onEvent?: (event: VerifierEvent) => void;
  /**
   * Takes the lines of the log: one when the API refuses the client, one when revocations are stale, and one when they
   * are read again. Default: `console.warn`.
   */
  readonly log?: (line: string) => void;
  /** Replaces the global `fetch`. */
  readonly fetch?: typeof fetch;
  /** Replaces the clock, in milliseconds since 1970. For tests. */
  readonly now?: () => number;
};

export type Settings = Required<
  Omit<VerifierOptions, 'secret' | 'clientId' | 'clientSecret' | 'feedFile' | 'url' | 'legacy'>
> & {
  readonly api: string;
  readonly secrets: readonly Uint8Array<ArrayBuffer>[];
  /** The Authorization header of requests to the API; undefined without a client. */
  readonly authorization: string | undefined;
  readonly feedFile: string | undefined;
  readonly legacy: LegacySettings | undefined;
};

const ASYMMETRIC: readonly string[] = ['RS256', 'ES256', 'EdDSA'];

const CHOICES: Readonly<Record<string, readonly unknown[]>> = {
  feed: ['off', 'poll', 'sse', 'file'],
  onStale: ['fail', 'serve', 'introspect'],
};

const wrong = (message: string): TypeError => new TypeError(`@sallyport/verifier: ${message}`);

const WITHOUT_DEFAULT = [
  'issuer',
  'audience',
  'url',
  'secret',
  'feedFile',
  'clientId',
  'clientSecret',
  'legacy',
  'onEvent',
  'log',
  'fetch',
  'now',
] as const satisfies readonly (keyof VerifierOptions)[];
const NAMES: ReadonlySet<string> = new Set<keyof VerifierOptions>([
  ...(Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]),
  ...WITHOUT_DEFAULT,
]);

const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every((text) => typeof text === 'string' && text !== '');

const isLoopback = ({ hostname }: URL): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);

/** The base URL of the API. Throws TypeError for one over which secrets would not be safe. */
function apiOf({
  issuer,
  url = issuer,
  allowHttp = false,
}: Pick<VerifierOptions, 'issuer' | 'url' | 'allowHttp'>): string {
  if (!URL.canParse(url)) throw wrong('issuer is not a URL; set url to the base URL of the API');
  const parsed = new URL(url);
  if (parsed.protocol !== 'https:' && parsed.protocol !== 'http:')
    throw wrong(`url must be https, not ${parsed.protocol}`);
  if (parsed.protocol === 'http:' && !allowHttp && !isLoopback(parsed))
    throw wrong('url must be https; set allowHttp on a trusted network');
  if (parsed.username !== '' || parsed.password !== '') throw wrong('url must not contain credentials');
  if (parsed.search !== '' || parsed.hash !== '') throw wrong('url must not contain a query or a fragment');
  return url.replace(/\/+$/, '');
}

const LEGACY_NAMES: readonly string[] = ['issuer', 'jwksUri', 'audience', 'until'] satisfies (keyof LegacyIssuer)[];
const RFC_3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

function legacyOf({ legacy, issuer, allowHttp }: VerifierOptions): LegacySettings | undefined {
  if (legacy === undefined) return undefined;
  for (const name of LEGACY_NAMES)
    if (typeof legacy[name as keyof LegacyIssuer] !== 'string' || legacy[name as keyof LegacyIssuer] === '')
      throw wrong(`legacy.${name} is required`);
  const unknown = Object.keys(legacy).filter((name) => !LEGACY_NAMES.includes(name));
  if (unknown.length > 0) throw wrong(`there is no option legacy.${unknown.join(', ')}`);
  const { jwksUri, audience, until } = legacy;
  if (legacy.issuer === issuer) throw wrong('legacy.issuer must be another issuer');
  const url = URL.canParse(jwksUri) ? new URL(jwksUri) : undefined;
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && (allowHttp === true || isLoopback(url)));
  if (!isSafe || url?.username !== '' || url.password !== '') throw wrong('legacy.jwksUri must be an https URL');
  const untilMs = RFC_3339.test(until) ? Date.parse(until) : Number.NaN;
  if (Number.isNaN(untilMs)) throw wrong('legacy.until must be a time, as 2027-01-31T00:00:00Z');
  return { issuer: legacy.issuer, jwksUri, audience, untilMs };
}

function secretsOf({ secret = [] }: VerifierOptions, algorithms: readonly Algorithm[]): Settings['secrets'] {
  const given = typeof secret === 'string' ? [secret] : secret;
  const isAsked = algorithms.includes('HS256');
  if (isAsked && given.length === 0) throw wrong('HS256 needs secret');
  if (!isAsked && given.length > 0) throw wrong("secret is used only with HS256: name 'HS256' in algorithms");
  return given.map((text) => {
    const bytes = bytesOf(text);
    if (bytes.length < LIMITS.shortestSecretBytes)
      throw wrong(`secret must have at least ${LIMITS.shortestSecretBytes} bytes`);
    return bytes;
  });
}

function authorizationOf({ clientId, clientSecret }: VerifierOptions): string | undefined {
  if (clientId === undefined || clientSecret === undefined) return undefined;
  // RFC 6749 §2.3.1: form encoding, then Basic.
  const [id, secret] = [clientId, clientSecret].map((part) => encodeURIComponent(part).replaceAll('%20', '+'));
  return `Basic ${btoa(`${id}:${secret}`)}`;
}

/** An error of a listener must not stop the verifier. */
const guarded =
  <T>(listener: (value: T) => void): ((value: T) => void) =>
  (value) => {
    try {
      listener(value);
    } catch {}
  };

/** The options with defaults. Throws TypeError for options that are unknown, missing, wrong or contradict each other. */
export function settingsOf(options: VerifierOptions): Settings {
  // A misspelt `requiredScopes` would require nothing.
  const unknown = Object.keys(options).filter((name) => !NAMES.has(name));
  if (unknown.length > 0) throw wrong(`there is no option ${unknown.join(', ')}`);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const all = { ...DEFAULTS, ...given } as unknown as Settings & VerifierOptions;
  if (typeof options.issuer !== 'string' || options.issuer === '') throw wrong('issuer is required');
  if (all.audience !== undefined && (typeof all.audience !== 'string' || all.audience === ''))
    throw wrong('audience must be a text, or be left out');
  if (typeof all.allowHttp !== 'boolean') throw wrong('allowHttp must be true or false');
  if (!isTexts(all.requiredScopes)) throw wrong('requiredScopes must be a list of texts');
  for (const [name, [least, most]] of Object.entries(BOUNDS)) {
    const value = all[name as keyof VerifierOptions];
    if (typeof value !== 'number' || !(value >= least && value <= most))
      throw wrong(`${name} must be a number from ${least} to ${most}`);
  }
  for (const [name, choices] of Object.entries(CHOICES))
    if (!choices.includes(all[name as keyof VerifierOptions]))
      throw wrong(`${name} must be one of ${choices.join(', ')}`);
  const { algorithms, feed, onStale } = all;
  if (
    !isTexts(algorithms) ||
    algorithms.length === 0 ||
    algorithms.some((name) => name !== 'HS256' && !ASYMMETRIC.includes(name))
  )
    throw wrong(`algorithms must be some of ${ASYMMETRIC.join(', ')}, HS256`);
  const authorization = authorizationOf(options);
  if ((feed === 'poll' || feed === 'sse') && authorization === undefined)
    throw wrong(`feed '${feed}' needs clientId and clientSecret; feed 'off' accepts revoked tokens until they expire`);
  if (feed === 'file' && options.feedFile === undefined) throw wrong("feed 'file' needs feedFile");
  if (onStale === 'introspect' && authorization === undefined)
    throw wrong("onStale 'introspect' needs clientId and clientSecret");
  return {
    ...all,
    audience: options.audience ?? options.issuer,
    api: apiOf(options),
    secrets: secretsOf(options, algorithms),
    authorization,
    feedFile: options.feedFile,
    legacy: legacyOf(options),
    onEvent: guarded(options.onEvent ?? (() => {})),
    log: guarded(options.log ?? ((line) => console.warn(line))),
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    now: options.now ?? Date.now,
  };
}
