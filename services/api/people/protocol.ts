import type { MetricSeries } from '#observability/metrics/joined.ts';
import type { Caller } from '#services/domain/ports.ts';
import { AppError, type AppErrorOptions, type ErrorDefinition, isAppError } from '#services/platform/define/error.ts';
import { internalError } from '#services/platform/errors.ts';
import type { PeopleCall } from './people.ts';

/** What goes to the thread. Inputs and answers are plain data; a signal becomes an `abort`. */
export type ToThread =
  | {
      readonly kind: 'call';
      readonly id: number;
      readonly name: PeopleCall;
      readonly input: object;
      readonly caller: Caller;
    }
  | { readonly kind: 'abort'; readonly id: number }
  | { readonly kind: 'count' }
  | { readonly kind: 'close' };

/**
 * What comes from it. `mail`: a mail was asked for, which the process tells the workers. `epoch` is the revocation
 * epoch that the thread had read when it answered.
 */
export type FromThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'mail' }
  | { readonly kind: 'done'; readonly id: number; readonly epoch: number; readonly answer: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly epoch: number; readonly error: SentError }
  /** Running totals of what the thread counted, for the one list of metrics of the process. */
  | { readonly kind: 'metrics'; readonly metrics: readonly MetricSeries[] };

export type SentError = { readonly definition: ErrorDefinition; readonly options: AppErrorOptions };

/** An error as plain data; one that is no answer becomes `internal_error`, with itself as the cause for the log. */
export function sentError(err: unknown): SentError {
  const { definition, options } = isAppError(err) ? err : internalError({ cause: err });
  const { cause, ...rest } = options;
  return { definition, options: cause instanceof Error ? { ...rest, cause } : rest };
}

export const errorOf = ({ definition, options }: SentError): AppError => new AppError(definition, options);

/** A caller as plain data: of a request only what rules and audit rows may know goes along. */
export function sentCaller(caller: Caller): Caller {
  const { ip, userAgent, traceId, traceparent } = caller.request;
  return { ...caller, request: { ip, userAgent, traceId, traceparent } };
}
