import { isAppError } from '#services/platform/define/error.ts';

/** What a failed statement means for the requests that shared it. */
type StatementFailure =
  /** The store refused a value of one member: nothing was written. */
  | 'member'
  /** A lock or the time limit stopped it: nothing was written, and it may succeed alone or later. */
  | 'blocked'
  /** The connection was lost: the statement may have been committed. */
  | 'unknown'
  /** The server refused the statement for another reason: nothing was written. */
  | 'refused';

const SQL_STATE = /^[0-9A-Z]{5}$/;
const SYSTEM_ERROR = /^E[A-Z]+$/;

/** The SQLSTATE or system error code of the error or of its cause; undefined if it has none. */
function codeOf(err: unknown): string | undefined {
  for (let at: unknown = err, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth += 1) {
    const { code } = at as { code?: unknown };
    if (typeof code === 'string' && (SQL_STATE.test(code) || SYSTEM_ERROR.test(code))) return code;
  }
  return undefined;
}

/** Decides by the SQLSTATE. An error without one does not say whether the statement was committed. */
export function failureOf(err: unknown): StatementFailure {
  // The value could not be encoded into the statement.
  if (err instanceof RangeError || err instanceof TypeError) return 'member';
  // One of our own errors: the statement was not sent, or did nothing.
  if (isAppError(err) && err.cause === undefined) return 'refused';
  const code = codeOf(err);
  // The server did not receive the statement.
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND') return 'refused';
  if (code === undefined || !SQL_STATE.test(code)) return 'unknown';
  if (code.startsWith('22')) return 'member';
  // Lock timeout, statement timeout, serialisation failure, deadlock.
  if (code === '55P03' || code === '57014' || code === '40001' || code === '40P01') return 'blocked';
  // Shut down or crashed during the statement: only the response to a commit may have been lost.
  if (code.startsWith('57P0') || code.startsWith('08')) return 'unknown';
  return 'refused';
}
