import type { Clock, Log } from '#services/core/ports.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { requestStale, shuttingDown, transferCodingUnsupported } from '#services/platform/errors.ts';

const QUIET_MS = 1_000;

/** Errors with status 5xx that are not failures. */
const EXPECTED = new Set([requestStale, shuttingDown, transferCodingUnsupported].map(({ definition }) => definition));

/** True for an error that the server caused, not the client. */
export const isFailure = ({ definition }: AppError): boolean => definition.status >= 500 && !EXPECTED.has(definition);

/**
 * Logs failed requests: a defect (500) always, an unavailable state (503) once a second for each code, with the number of
 * equal failures. While a store is unreachable, every request fails alike, and the log must stay readable.
 */
export function createFailureLog(
  log: Log,
  clock: Clock,
): (error: AppError, cause: unknown, operation: string | undefined) => void {
  const states = new Map<string, { quietUntil: number; suppressed: number }>();
  return (error, cause, operation) => {
    const fields = { err: error.options.cause ?? cause, code: error.code, operation };
    if (error.definition.status !== 503) {
      log.error(fields, 'request failed');
      return;
    }
    const state = states.get(error.code) ?? { quietUntil: Number.NEGATIVE_INFINITY, suppressed: 0 };
    states.set(error.code, state);
    if (clock.monotonic() < state.quietUntil) {
      state.suppressed += 1;
      return;
    }
    log.warn({ ...fields, like_it: state.suppressed }, 'request failed');
    state.quietUntil = clock.monotonic() + QUIET_MS;
    state.suppressed = 0;
  };
}
