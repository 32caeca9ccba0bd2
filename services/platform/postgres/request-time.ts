import type pg from 'pg';
import { currentRequestTrace, type RequestTrace } from '#observability/http-span.ts';

/** Which request each connection serves. */
const served = new WeakMap<pg.ClientBase, RequestTrace>();

const timeIsUp = (): Error => new Error('timeout: the request has used up its time for PostgreSQL');

/** Takes from a request the time since then. */
function spendSince(request: RequestTrace, startedAt: number): void {
  if (request.storeMsLeft !== undefined) request.storeMsLeft -= performance.now() - startedAt;
}

type Callback = NonNullable<Parameters<pg.Pool['connect']>[0]>;

/**
 * Connects for the current request: gives up when its time is up, and binds the connection's statements to it. A
 * connection that comes later goes back to the pool.
 */
export function connectInTime(connect: (callback: Callback) => void, callback: Callback): void {
  // The callback may run in the context of the request that released the connection.
  const request = currentRequestTrace();
  if (request?.storeMsLeft === undefined) {
    connect((err, client, done) => {
      if (client) served.delete(client);
      callback(err, client, done);
    });
    return;
  }
  const startedAt = performance.now();
  let isGivenUp = false;
  const timer = setTimeout(
    () => {
      isGivenUp = true;
      spendSince(request, startedAt);
      callback(timeIsUp(), undefined, () => {});
    },
    Math.max(0, request.storeMsLeft),
  );
  connect((err, client, done) => {
    if (isGivenUp) return void (client && done());
    clearTimeout(timer);
    spendSince(request, startedAt);
    if (client) served.set(client, request);
    callback(err, client, done);
  });
}

/**
 * Gives each statement of a connection the time that its request has left, and sends none after that. A statement that
 * is abandoned ends on the server by the pool's own limits; it cannot commit without the next message.
 */
export function boundStatements(client: pg.ClientBase): void {
  const query = client.query.bind(client) as (...args: unknown[]) => unknown;
  const bounded = (statement: string | object, ...rest: unknown[]): unknown => {
    const request = served.get(client);
    const leftMs = request?.storeMsLeft;
    if (request === undefined || leftMs === undefined) return query(statement, ...rest);
    const callback = rest.at(-1);
    if (leftMs <= 0) {
      if (typeof callback !== 'function') return Promise.reject(timeIsUp());
      process.nextTick(callback, timeIsUp());
      return undefined;
    }
    const limited = {
      ...(typeof statement === 'string' ? { text: statement } : statement),
      query_timeout: leftMs,
    };
    const startedAt = performance.now();
    const spend = (): void => spendSince(request, startedAt);
    if (typeof callback === 'function')
      return query(limited, ...rest.slice(0, -1), (...answer: unknown[]) => {
        spend();
        callback(...answer);
      });
    const answer = query(limited, ...rest) as Promise<unknown>;
    answer.then(spend, spend);
    return answer;
  };
  client.query = bounded as typeof client.query;
}

/** Rejects when the time of the current request for PostgreSQL is up; the work continues. */
export function inTime<T>(work: Promise<T>): Promise<T> {
  const request = currentRequestTrace();
  const leftMs = request?.storeMsLeft;
  if (request === undefined || leftMs === undefined) return work;
  const startedAt = performance.now();
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(timeIsUp()), Math.max(0, leftMs));
  return Promise.race([work, tooLate]).finally(() => {
    clearTimeout(timer);
    spendSince(request, startedAt);
  });
}
