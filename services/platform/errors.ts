import { defineError } from './define/error.ts';

/** Errors that belong to no module: malformed requests and unavailable stores. */

export const requestInvalid = defineError({
  code: 'request_invalid',
  oauthError: 'invalid_request',
  title: 'Request does not match its schema',
  cause: 'A member is missing, unknown, too long or of the wrong type.',
  fix: 'Compare the request with the endpoint in /openapi.json; `problems` names each member.',
});

export const bodyMalformed = defineError({
  code: 'body_malformed',
  oauthError: 'invalid_request',
  title: 'Request body unreadable',
  cause: 'The body is not valid JSON or form data, or carries a forbidden key such as __proto__.',
  fix: 'Send a body of the declared content type.',
});

export const bodyTooLarge = defineError({
  code: 'body_too_large',
  status: 413,
  oauthError: 'invalid_request',
  title: 'Request body too large',
  cause: 'The endpoint reads no body of this length; `detail` says how many bytes it reads.',
  fix: 'Send less, or split the batch.',
});

export const requestUnreadable = defineError({
  code: 'request_unreadable',
  title: 'Invalid HTTP request',
  cause: 'The request line, headers or body framing violate RFC 9112 or contradict each other.',
  fix: 'Check the client and any proxy in between; the connection was closed.',
});

export const headersTooLarge = defineError({
  code: 'headers_too_large',
  status: 431,
  title: 'Request headers too large',
  cause: 'Headers are limited to 16 KB in total.',
  fix: 'Send fewer or shorter headers; cookies of other services on the domain count too.',
});

export const requestTooSlow = defineError({
  code: 'request_too_slow',
  status: 408,
  title: 'Request timed out',
  cause: 'A whole request must arrive within ten seconds.',
  fix: 'Send the request again over a faster connection.',
  retryable: true,
});

export const expectationUnsupported = defineError({
  code: 'expectation_unsupported',
  status: 417,
  title: 'Expectation not supported',
  cause: 'The Expect header asks for something other than 100-continue.',
  fix: 'Remove the Expect header.',
});

export const contentTypeUnsupported = defineError({
  code: 'content_type_unsupported',
  status: 415,
  oauthError: 'invalid_request',
  title: 'Content type not supported',
  cause: 'The endpoint does not accept the declared content type, or the body is compressed or not in UTF-8.',
  fix: 'Use application/json, or application/x-www-form-urlencoded at the OAuth endpoints, uncompressed and in UTF-8.',
});

export const transferCodingUnsupported = defineError({
  code: 'transfer_coding_unsupported',
  status: 501,
  title: 'Transfer coding not supported',
  cause: 'Transfer-Encoding names a coding other than chunked.',
  fix: 'Send the body with Content-Length or chunked; the connection was closed.',
});

export const routeUnknown = defineError({
  code: 'route_unknown',
  status: 404,
  title: 'Route not found',
  cause: 'No route has this path.',
  fix: 'See /openapi.json for all paths.',
});

export const methodNotAllowed = defineError({
  code: 'method_not_allowed',
  status: 405,
  oauthError: 'invalid_request',
  title: 'Method not allowed',
  cause: 'The path exists, but not for this HTTP method.',
  fix: 'Use a method named in the Allow header.',
});

export const storeUnavailable = defineError({
  code: 'store_unavailable',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Database temporarily unavailable',
  cause:
    'PostgreSQL is down, unreachable, too slow or unable to write. Either nothing was changed, or the change was committed and a retry will see it.',
  fix: 'Try again after Retry-After; operators: see the log, or run npx sallyport doctor.',
});

export const directoryStale = defineError({
  code: 'directory_stale',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Clients and permissions may be outdated',
  cause:
    'This API process has not read the newest clients, roles, permissions and applications for longer than REVOCATION_STALENESS_MS: PostgreSQL is unreachable, or one of these tables is locked or unreadable. A client that was disabled or an agent that was killed meanwhile would still be accepted.',
  fix: 'Retry after Retry-After; another API process may answer. Operators: check PostgreSQL, locks and /readyz.',
});

/** Of a write with `If-Match`. */
export const changedMeanwhile = defineError({
  code: 'changed_meanwhile',
  status: 412,
  title: 'Changed since it was read',
  cause: 'The resource was changed after it was read: If-Match names another version. Nothing was written.',
  fix: 'Read it again, and send your change with the new ETag.',
});

export const queueUnavailable = defineError({
  code: 'queue_unavailable',
  status: 503,
  title: 'Job queue unreachable',
  cause: 'Redis is down or unreachable. Required work is stored in PostgreSQL and runs once Redis is back.',
  fix: 'Try again after Retry-After; operators: check Redis.',
});

export const mcpUnavailable = defineError({
  code: 'mcp_unavailable',
  status: 503,
  title: 'MCP server could not be loaded',
  cause: 'The API process could not load its MCP server, which it does with the first request. Nothing was changed.',
  fix: 'Try again after Retry-After, which loads it again; operators: see the log line "the MCP server could not be loaded".',
});

/** The worker lost its lock: another run of the same job has begun, so this run must not write. */
export const runSuperseded = defineError({
  code: 'run_superseded',
  status: 409,
  title: 'Job run superseded',
  cause: 'The worker did not renew its lock on the job in time, and another worker took the job.',
  fix: 'You need not do anything: the newer run does the work.',
});

export const shuttingDown = defineError({
  code: 'shutting_down',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Server shutting down',
  cause: 'The process received a stop signal and is draining its requests.',
  fix: 'Try again; another API process will answer.',
});

export const requestStale = defineError({
  code: 'request_stale',
  status: 503,
  oauthError: 'temporarily_unavailable',
  title: 'Request expired before processing',
  cause:
    'The server was paused or overloaded, or the connection was closed before the request was processed. Nothing was changed.',
  fix: 'Send the request again after Retry-After.',
});

export const internalError = defineError({
  code: 'internal_error',
  status: 500,
  oauthError: 'server_error',
  title: 'Internal server error',
  cause: 'The server has a defect. The log line with this trace_id has the details.',
  fix: 'Try again; if it persists, report the trace_id.',
  retryable: true,
});

/** Thrown with the headers of the limit; `options.detail` names its setting, `retryAfterSeconds` is the time until its window ends. */
export const rateLimited = defineError({
  code: 'rate_limited',
  status: 429,
  oauthStatus: 429,
  oauthError: 'temporarily_unavailable',
  title: 'Too many requests',
  cause: 'A rate limit of the caller, its address or the whole service is used up; RateLimit-Policy names it.',
  fix: 'Wait for Retry-After seconds. An operator can raise the limit that `detail` names.',
});

/** No valid credential. `options.detail` says what was expected, never what was wrong with a secret. */
export const unauthenticated = defineError({
  code: 'unauthenticated',
  status: 401,
  oauthError: 'invalid_client',
  title: 'Valid credential required',
  cause: 'The request has no credential, or the credential is invalid, expired or revoked.',
  fix: 'Sign in or refresh, then send the new credential.',
});

export const clientUnauthenticated = defineError({
  code: 'client_unauthenticated',
  status: 401,
  oauthError: 'invalid_client',
  title: 'Client authentication failed',
  cause:
    'Client id, secret or assertion is missing or wrong, the client authenticates by another method, or it is disabled.',
  fix: 'Send client_id and client_secret by HTTP Basic or in the form, or client_assertion if the client signs with its own keys.',
});

export const permissionMissing = defineError({
  code: 'permission_missing',
  status: 403,
  oauthError: 'access_denied',
  title: 'Permission missing',
  cause: 'The caller is authenticated but not allowed to do this.',
  fix: 'Ask an administrator for the permission that `detail` names, or send the credential that it asks for.',
});

export const apiKeyNotAccepted = defineError({
  code: 'api_key_not_accepted',
  status: 403,
  title: 'API key not accepted here',
  cause:
    'API keys act within their permissions. Account settings, and operations that require a recent sign-in, need a signed-in user.',
  fix: 'Sign in and use the session or its access token. A program without a user can use client credentials.',
});

export const agentNotAccepted = defineError({
  code: 'agent_not_accepted',
  status: 403,
  title: 'Agent not accepted here',
  cause:
    'An agent asks, by its own credentials or by a token of its owner, for what users may only do after a recent sign-in: it changes rights, credentials, keys or retention, or reads health data of level `high`.',
  fix: 'Let a person do it, after a recent sign-in. If the agent prepares the act, let it request a sign-off, and a person do the act once it is approved.',
});

export const ownCredentialRequired = defineError({
  code: 'own_credential_required',
  status: 403,
  oauthError: 'access_denied',
  title: 'The client’s own credential is required',
  cause:
    'What the request makes or changes lasts longer than the request, and a client asks for it by an access token or an API key, which may have leaked.',
  fix: 'Authenticate the client in this request by its id and secret (HTTP Basic), or use a token that is bound to its key (DPoP) or certificate.',
});

export const stepUpRequired = defineError({
  code: 'step_up_required',
  status: 403,
  oauthError: 'access_denied',
  title: 'Recent or stronger sign-in required',
  cause: 'The sign-in that the credential comes from is older than this endpoint allows, or used too few factors.',
  fix: 'POST /api/auth/step-up or sign in again, then repeat the request; WWW-Authenticate names the requirement.',
});

/**
 * The response contains the `challenge` to answer and the `factors` that can answer it. After a sign-in with another
 * provider it also contains the `callbackURL`, if one was sent. Where a service asks, there is no challenge.
 */
export const secondFactorRequired = defineError({
  code: 'second_factor_required',
  status: 401,
  title: 'Second factor required',
  cause:
    'One factor was accepted, and the account has a second one that was not verified. No session was opened, and nothing was issued.',
  fix: 'POST /api/auth/second-factor with `challenge` and a code within ten minutes, or sign in with a passkey. A service that verified a second factor itself names it in `verified_factors`.',
});

export const originRefused = defineError({
  code: 'origin_refused',
  status: 403,
  title: 'Cross-origin request rejected',
  cause:
    'A write authenticated by cookie had an unlisted or null Origin, or neither an Origin nor a double-submit token.',
  fix: 'Send it from a listed origin (CORS_ORIGINS), or with the X-CSRF-Token header, or use a bearer token.',
});

/** A form of one of our pages that was opened at another address. `options.members.address` is the right one. */
export const wrongHost = defineError({
  code: 'wrong_host',
  status: 403,
  title: 'This page belongs to another address',
  cause:
    'The form was opened at an address that is not the configured one (BETTER_AUTH_URL), where its cookies do not work.',
  fix: 'Open the page at `address`; operators: set BETTER_AUTH_URL to the address that users open.',
});

/** A cursor of another list, or a changed one. */
export const cursorInvalid = defineError({
  code: 'cursor_invalid',
  title: 'Invalid cursor',
  cause: 'The cursor was changed, or belongs to another list or filter.',
  fix: 'Send `next` of the previous page unchanged, or start again without a cursor.',
});

export const idempotencyKeyReused = defineError({
  code: 'idempotency_key_reused',
  status: 422,
  title: 'Idempotency key reused',
  cause: 'The same Idempotency-Key was sent with a different body within 24 hours.',
  fix: 'Use a new key for a new request, and the same body for a retry.',
});

/** Of the embedding; over HTTP the paths of such a wing answer like unknown ones. `options.members.wing` is its name. */
export const wingLeftOut = defineError({
  code: 'wing_left_out',
  status: 404,
  title: 'This installation leaves the wing out',
  cause: 'SALLYPORT_LEAVE_OUT names the wing that this service belongs to; its jobs and paths are absent too.',
  fix: 'Take `wing` out of SALLYPORT_LEAVE_OUT in every process, or do not use the service.',
});
