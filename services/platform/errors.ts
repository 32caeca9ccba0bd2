import { defineError } from './define/error.ts';

/** Errors that belong to no module: the request's form and the stores behind everything. */

export const requestInvalid = defineError({
  code: 'request_invalid',
  status: 400,
  oauthError: 'invalid_request',
  title: 'The request does not fit its schema',
  cause: 'A member is missing, unknown, too long or of the wrong type.',
  fix: 'Compare the request with the endpoint in /openapi.json; `problems` names each member.',
  retryable: false,
});

export const bodyMalformed = defineError({
  code: 'body_malformed',
  status: 400,
  oauthError: 'invalid_request',
  title: 'The body cannot be read',
  cause: 'The body is not valid JSON or form data, or carries a forbidden key such as __proto__.',
  fix: 'Send a body of the declared content type.',
  retryable: false,
});

export const bodyTooLarge = defineError({
  code: 'body_too_large',
  status: 413,
  oauthError: 'invalid_request',
  title: 'The body is too large',
  cause: 'Bodies are limited to 64 KB, validate-batch to 2 MB.',
  fix: 'Send less, or split the batch.',
  retryable: false,
});

export const requestUnreadable = defineError({
  code: 'request_unreadable',
  status: 400,
  title: 'This is not an HTTP request',
  cause: 'Request line, headers or framing of the body break RFC 9112, or contradict each other.',
  fix: 'Look at what stands between client and server; the connection was closed.',
  retryable: false,
});

export const headersTooLarge = defineError({
  code: 'headers_too_large',
  status: 431,
  title: 'The headers are too large',
  cause: 'Headers are limited to 16 KB together.',
  fix: 'Send fewer or shorter ones; cookies of other services count too.',
  retryable: false,
});

export const requestTooSlow = defineError({
  code: 'request_too_slow',
  status: 408,
  title: 'The request did not arrive in time',
  cause: 'A whole request must arrive within ten seconds.',
  fix: 'Send it again over a better connection.',
  retryable: true,
});

export const expectationUnsupported = defineError({
  code: 'expectation_unsupported',
  status: 417,
  title: 'What the request expects is not done here',
  cause: 'The Expect header asks for something other than 100-continue.',
  fix: 'Leave the Expect header out.',
  retryable: false,
});

export const contentTypeUnsupported = defineError({
  code: 'content_type_unsupported',
  status: 415,
  oauthError: 'invalid_request',
  title: 'The content type is not accepted here',
  cause:
    'The endpoint reads another content type than the request declares, no other charset than UTF-8, and nothing compressed.',
  fix: 'Use application/json, or application/x-www-form-urlencoded at the OAuth endpoints, as it is and in UTF-8.',
  retryable: false,
});

export const transferCodingUnsupported = defineError({
  code: 'transfer_coding_unsupported',
  status: 501,
  title: 'The transfer coding is not one that is read here',
  cause: 'Transfer-Encoding names another coding than chunked.',
  fix: 'Send the body as it is, by its length or chunked; the connection was closed.',
  retryable: false,
});

export const routeUnknown = defineError({
  code: 'route_unknown',
  status: 404,
  title: 'There is nothing at this address',
  cause: 'No route has this path.',
  fix: 'See /openapi.json for the paths there are.',
  retryable: false,
});

export const methodNotAllowed = defineError({
  code: 'method_not_allowed',
  status: 405,
  oauthError: 'invalid_request',
  title: 'This address takes another method',
  cause: 'The path exists under another HTTP method.',
  fix: 'Use a method named in the Allow header.',
  retryable: false,
});

export const storeUnavailable = defineError({
  code: 'store_unavailable',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'The database cannot serve this request now',
  cause:
    'PostgreSQL is down, unreachable, over its deadline or unable to write; nothing was changed, or the change will be found by the retry.',
  fix: 'Try again after Retry-After; operators: the log says which, as does npx sallyport doctor.',
  retryable: true,
});

export const queueUnavailable = defineError({
  code: 'queue_unavailable',
  status: 503,
  title: 'The job queue cannot be reached',
  cause: 'Redis is down or unreachable. What must happen is a row first, and is done once Redis is back.',
  fix: 'Try again after Retry-After; operators: check Redis.',
  retryable: true,
});

/** A worker past its lock: another run of the same job has begun, and this one must change nothing any more. */
export const runSuperseded = defineError({
  code: 'run_superseded',
  status: 409,
  title: 'A newer run of this job has begun',
  cause: 'The worker stalled past its lock, and the job was given to another.',
  fix: 'Nothing: the newer run does the work.',
  retryable: false,
});

export const shuttingDown = defineError({
  code: 'shutting_down',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'This copy is stopping',
  cause: 'The process received a stop signal and drains its requests.',
  fix: 'Try again; another copy answers.',
  retryable: true,
});

export const requestStale = defineError({
  code: 'request_stale',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'The request was not processed because it may have waited too long',
  cause:
    'The server was paused or overloaded, or the connection was closed before the request was processed. Nothing was changed.',
  fix: 'Send the request again after Retry-After.',
  retryable: true,
});

export const internalError = defineError({
  code: 'internal_error',
  status: 500,
  oauthError: 'server_error',
  title: 'Something went wrong on our side',
  cause: 'A defect. The log line with this trace_id says more.',
  fix: 'Try again; if it persists, report the trace_id.',
  retryable: true,
});

/** Raised with the limit's own headers; `options.retryAfterSeconds` is when its window ends. */
export const rateLimited = defineError({
  code: 'rate_limited',
  status: 429,
  oauthStatus: 429,
  oauthError: 'temporarily_unavailable',
  title: 'Too many requests',
  cause: 'A limit of this caller, its address or the whole service is used up; RateLimit-Policy names it.',
  fix: 'Wait for Retry-After seconds; services: authenticate with HTTP Basic or a bearer token for a bucket of your own.',
  retryable: true,
});

/** No usable credential. `options.detail` tells what was expected, never what was wrong with a secret. */
export const unauthenticated = defineError({
  code: 'unauthenticated',
  status: 401,
  oauthError: 'invalid_client',
  title: 'A valid credential is needed',
  cause: 'No credential was sent, or it is invalid, expired or revoked.',
  fix: 'Sign in or refresh, then send the new credential.',
  retryable: false,
});

export const clientUnauthenticated = defineError({
  code: 'client_unauthenticated',
  status: 401,
  oauthError: 'invalid_client',
  title: 'The client could not be authenticated',
  cause: 'Client id or secret is missing or wrong, or the client is disabled.',
  fix: 'Send client_id and client_secret by HTTP Basic or in the form.',
  retryable: false,
});

export const permissionMissing = defineError({
  code: 'permission_missing',
  status: 403,
  oauthError: 'access_denied',
  title: 'The credential lacks a permission',
  cause: 'The caller is known but may not do this.',
  fix: 'Ask an administrator for the permission named in `detail`.',
  retryable: false,
});

export const apiKeyNotAccepted = defineError({
  code: 'api_key_not_accepted',
  status: 403,
  title: 'An API key is not enough here',
  cause:
    'Keys do what their permissions say; the account itself, and what asks for a fresh login, is for who signs in.',
  fix: 'Sign in, and use the session or its access token; programs: use the key of a client.',
  retryable: false,
});

export const stepUpRequired = defineError({
  code: 'step_up_required',
  status: 403,
  oauthError: 'access_denied',
  title: 'This needs a fresh proof of who you are',
  cause: 'The login behind the credential is older than this endpoint allows, or was made with too few factors.',
  fix: 'POST /api/auth/step-up or sign in again, then repeat the request; WWW-Authenticate says what is asked for.',
  retryable: false,
});

export const originRefused = defineError({
  code: 'origin_refused',
  status: 403,
  title: 'The request comes from a foreign page',
  cause: 'A write authenticated by cookie carried a foreign or null Origin, or no Origin and no double-submit token.',
  fix: 'Send it from a listed origin (CORS_ORIGINS), or with the X-CSRF-Token header, or use a bearer token.',
  retryable: false,
});

/** A place in a list that this list does not have. */
export const cursorInvalid = defineError({
  code: 'cursor_invalid',
  status: 400,
  title: 'The cursor is not one of this list',
  cause: 'It was changed on the way, or belongs to another list or filter.',
  fix: 'Send `next` of the page before as it is, or begin again without a cursor.',
  retryable: false,
});

export const idempotencyKeyReused = defineError({
  code: 'idempotency_key_reused',
  status: 422,
  title: 'The idempotency key belongs to another request',
  cause: 'The same Idempotency-Key came with another body within 24 hours.',
  fix: 'Use a new key for a new request, and the same body for a retry.',
  retryable: false,
});
