import type { AppError } from '../define/error.ts';

export type ErrorAnswer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
};

export type ChallengedResource = {
  /** URL of its metadata (RFC 9728 §5.1). */
  readonly metadata: string;
  /** Scopes that a client asks for when it has no token (RFC 6750 §3). */
  readonly scope?: string | undefined;
};

export type ErrorAnswerContext = {
  readonly traceId: string;
  /** True at OAuth endpoints, which use the members of RFC 6749 §5.2. */
  readonly oauth: boolean;
  /** The credential that the request carried: a challenge names an error only if one was sent (RFC 6750 §3). */
  readonly sent: 'none' | 'bearer' | 'dpop' | 'basic';
  /** For Bearer challenges. */
  readonly resource?: ChallengedResource | undefined;
  /** True under `/api/auth`: Better Auth's client shows the member `message`. */
  readonly hasMessage?: boolean;
};

/** Algorithms of DPoP proofs (RFC 9449 §7.1). */
const PROOF_ALGORITHMS = 'ES256 RS256 EdDSA';
const PROBLEM_BASE = '/docs/errors#';

/** The token is good and not enough for the request (RFC 6750 §3.1). */
const insufficient = ({ sent, resource }: ErrorAnswerContext): string =>
  `${sent === 'dpop' ? 'DPoP' : 'Bearer'} realm="sallyport", error="insufficient_scope"${metadataOf(resource)}`;

const metadataOf = (resource: ChallengedResource | undefined): string =>
  resource === undefined ? '' : `, resource_metadata="${resource.metadata}"`;
const scopeOf = (resource: ChallengedResource | undefined): string =>
  resource?.scope === undefined ? '' : `, scope="${resource.scope}"`;

function challenge(error: AppError, { sent, oauth, resource }: ErrorAnswerContext): string {
  const realm = 'realm="sallyport"';
  if (oauth || sent === 'basic' || error.definition.oauthError === 'invalid_client')
    if (error.code !== 'unauthenticated' || sent === 'basic') return `Basic ${realm}`;
  const metadata = metadataOf(resource) + scopeOf(resource);
  if (sent === 'dpop') {
    const { oauthError } = error.definition;
    const why = oauthError === 'invalid_dpop_proof' || oauthError === 'use_dpop_nonce' ? oauthError : 'invalid_token';
    return `DPoP ${realm}, algs="${PROOF_ALGORITHMS}", error="${why}"${metadata}`;
  }
  return `Bearer ${realm}${sent === 'bearer' ? ', error="invalid_token"' : ''}${metadata}`;
}

/** Maps every error to RFC 9457 problem details, or to RFC 6749 §5.2 at the OAuth endpoints. */
export function errorAnswer(error: AppError, context: ErrorAnswerContext): ErrorAnswer {
  const { definition, options } = error;
  const asOAuth = context.oauth && definition.oauthError !== undefined;
  const status = asOAuth ? (definition.oauthStatus ?? definition.status) : definition.status;
  const headers: Record<string, string> = { 'cache-control': 'no-store', ...options.headers };
  if (context.oauth) headers.pragma = 'no-cache';
  if (status === 401) headers['www-authenticate'] = challenge(error, context);
  if (definition.code === 'permission_missing' && (context.sent === 'bearer' || context.sent === 'dpop'))
    headers['www-authenticate'] = insufficient(context);
  if (status === 429 || status === 503)
    headers['retry-after'] = String(Math.max(1, Math.ceil(options.retryAfterSeconds ?? 1)));
  const extras = {
    code: definition.code,
    retryable: definition.retryable,
    trace_id: context.traceId,
    ...(options.problems ? { problems: options.problems } : {}),
    ...options.members,
  };
  if (asOAuth) {
    headers['content-type'] = 'application/json; charset=utf-8';
    return {
      status,
      headers,
      body: { error: definition.oauthError, error_description: options.detail ?? definition.title, ...extras },
    };
  }
  headers['content-type'] = 'application/problem+json; charset=utf-8';
  return {
    status,
    headers,
    body: {
      type: PROBLEM_BASE + definition.code,
      title: definition.title,
      status,
      ...(options.detail ? { detail: options.detail } : {}),
      fix: definition.fix,
      ...(context.hasMessage ? { message: options.detail ?? definition.title } : {}),
      ...extras,
    },
  };
}
