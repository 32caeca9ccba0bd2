import type { FastifyInstance, FastifyRequest } from 'fastify';
import { requestsDropped } from '#observability/metrics/http.ts';
import type { Clock } from '#services/core/ports.ts';
import { mayChangeState } from '#services/platform/define/endpoint.ts';
import type { AppError } from '#services/platform/define/error.ts';
import { requestStale } from '#services/platform/errors.ts';
import { patient } from '#services/platform/process/patience.ts';
import { BEAT_MS, STANDSTILL_MS, watchArrivals } from './arrivals.ts';

declare module 'fastify' {
  // biome-ignore lint/style/useConsistentTypeDefinitions: only an interface merges with the library's.
  interface FastifyRequest {
    /** Lower bound of its arrival, monotonic milliseconds; undefined for a request that changes nothing. */
    arrivedAt: number | undefined;
    /**
     * The error for a request that must no longer be processed, else null; checked just before processing.
     */
    staleness(): AppError | null;
  }
}

/**
 * A request that may have waited this long is processed only after another poll shows that its client is still connected.
 */
const LOOK_AGAIN_MS = 2 * BEAT_MS;

const unread = requestsDropped.at({ reason: 'unread' });
const callerLeft = requestsDropped.at({ reason: 'caller_left' });

/**
 * Refuses requests whose clients may have given up and retried elsewhere: those that may have waited unread for more
 * than a second, or during which the process was stopped, and those whose connection has closed. Processed late, a
 * refresh token or a code would look used twice. Requests that change nothing are answered as usual.
 *
 * @returns a function that admits a request; call it as soon as its head is read
 */
export function refuseAbandoned(
  app: FastifyInstance,
  clock: Pick<Clock, 'monotonic'>,
): (request: FastifyRequest, done: (refusal?: AppError) => void) => void {
  const arrivals = watchArrivals(app.server, clock);
  const standstillMs = patient(STANDSTILL_MS);
  const refuse = (counter: typeof unread): AppError => {
    counter.add(1);
    return requestStale({ retryAfterSeconds: 1 });
  };
  app.decorateRequest('arrivedAt', undefined);
  app.decorateRequest('staleness', function (this: FastifyRequest) {
    if (this.raw.socket.destroyed) return refuse(callerLeft);
    const isLate = this.arrivedAt !== undefined && arrivals.hasStoodStillSince(this.arrivedAt);
    return isLate ? refuse(unread) : null;
  });
  // A client that is still sending its body is connected: its request arrived with the last bytes. A request that was
  // complete before its body was read may have waited.
  app.addHook('preParsing', (request, _reply, _payload, done) => {
    const { raw } = request;
    if (request.arrivedAt !== undefined && !raw.complete)
      raw.once('end', () => {
        request.arrivedAt = arrivals.earliest(raw.socket);
      });
    done();
  });
  return (request, done) => {
    const { endpoint } = request.routeOptions.config;
    if (endpoint === undefined || !mayChangeState(endpoint)) {
      done();
      return;
    }
    request.arrivedAt = arrivals.earliest(request.raw.socket);
    const unreadMs = clock.monotonic() - request.arrivedAt;
    if (unreadMs > standstillMs) done(refuse(unread));
    // The first immediate runs before the next poll, the second after it.
    else if (unreadMs > LOOK_AGAIN_MS) setImmediate(() => setImmediate(done));
    else done();
  };
}
