import type { FastifyError, FastifyReply } from 'fastify';

type Problem = { readonly status: number; readonly title: string; readonly fix: string; readonly retryable?: boolean };

/** Codes that the API has too are named alike. */
const PROBLEMS = {
  request_invalid: {
    status: 400,
    title: 'Request does not match its schema',
    fix: 'Send a title of 1 to 200 characters, a description of at most 2000, completed as a boolean, and nothing else.',
  },
  body_malformed: { status: 400, title: 'Request body unreadable', fix: 'Send valid JSON in UTF-8.' },
  user_mismatch: {
    status: 403,
    title: 'Path of another user',
    fix: 'Use the user id of the access token (sub) in the path.',
  },
  route_unknown: {
    status: 404,
    title: 'No such route',
    fix: 'Use /api/{user_id}/tasks or /api/{user_id}/tasks/{task_id}.',
  },
  task_unknown: { status: 404, title: 'No such task', fix: 'List the tasks of this user.' },
  method_not_allowed: { status: 405, title: 'Method not allowed', fix: 'Use a method of the Allow header.' },
  task_limit_reached: { status: 409, title: 'Too many tasks', fix: 'Delete tasks: a user has at most 500.' },
  body_too_large: { status: 413, title: 'Request body too large', fix: 'Send at most 16 KB.' },
  content_type_unsupported: { status: 415, title: 'Content type not supported', fix: 'Send application/json.' },
  internal_error: { status: 500, title: 'Internal error', fix: 'Try again later.' },
  store_unavailable: { status: 503, title: 'Database unavailable', fix: 'Try again later.', retryable: true },
} as const satisfies Record<string, Problem>;

export type ProblemCode = keyof typeof PROBLEMS;

/** Answers with problem details (RFC 9457). */
export function sendProblem(reply: FastifyReply, code: ProblemCode): FastifyReply {
  const { status, title, fix, retryable = false }: Problem = PROBLEMS[code];
  if (retryable) reply.header('retry-after', '1');
  return reply
    .code(status)
    .type('application/problem+json; charset=utf-8')
    .send(JSON.stringify({ title, status, fix, code, retryable }));
}

const CODES: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_VALIDATION: 'request_invalid',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'content_type_unsupported',
};

/** Errors of the connection to PostgreSQL, by SQLSTATE class or code: refused, lost, not admitted, shutting down, too slow. */
const UNAVAILABLE = /^(08|28|53|57)|^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND)$/;

/** The code for an error that a route threw. */
export function codeOf(err: FastifyError): ProblemCode {
  const known = CODES[err.code];
  if (known) return known;
  if (err.statusCode === 400) return 'body_malformed';
  const isAway =
    UNAVAILABLE.test(err.code ?? '') || /connection (terminated|timeout)|timeout exceeded/i.test(err.message);
  return isAway ? 'store_unavailable' : 'internal_error';
}
