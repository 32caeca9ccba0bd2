import type pg from 'pg';
import { currentRequestTrace, type RequestTrace } from '#observability/http-span.ts';

const served = new WeakMap<pg.ClientBase, RequestTrace>();

const timeIsUp = (): Error => new Error('timeout: the request has used up its time for PostgreSQL');

type Callback = NonNullable<Parameters<pg.Pool['connect']>[0]>;

const waitIsOver = (): Error => new Error('timeout exceeded when trying to connect');

/**
 * Connects, and gives up when `waitMs` or the time of the request is over: a connection that comes later goes back to the
 * pool.
 * @param limitsRequests whether the time of the current request counts, and limits the statements of the connection
 */
export function connectInTime(
  connect: (callback: Callback) => void,
  callback: Callback,
  { waitMs, limitsRequests }: { readonly waitMs: number; readonly limitsRequests: boolean },
): void {
  // The callback may run in the context of the request that released the connection.
  const request = limitsRequests ? currentRequestTrace() : undefined;
  const leftMs = request?.storeMsLeft;
  const startedAt = performance.now();
  const spend = (): void => request?.spendStoreTime(startedAt);
  let isGivenUp = false;
  const timer = setTimeout(
    () => {
      isGivenUp = true;
      spend();
      callback(leftMs === undefined || leftMs > waitMs ? waitIsOver() : timeIsUp(), undefined, () => {});
    },
    Math.max(0, Math.min(waitMs, leftMs ?? waitMs)),
  );
  connect((err, client, done) => {
    if (isGivenUp) return void (client && done());
    clearTimeout(timer);
    spend();
    if (client && limitsRequests)
      if (leftMs === undefined) served.delete(client);
      else served.set(client, request as RequestTrace);
    callback(err, client, done);
  });
}

/** Waits for work for as long as the request may; the work continues. */
async function within<T>(request: RequestTrace, work: Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(timeIsUp()), Math.max(0, request.storeMsLeft as number));
  try {
    return await Promise.race([work, tooLate]);
  } finally {
    clearTimeout(timer);
    request.spendStoreTime(startedAt);
  }
}

/**
 * Sends a statement, and waits for as long as the request of its connection may; sends none after that. A statement that
 * is given up keeps its connection until it ends by the pool's own limits, so that the server never runs more of them
 * than the pool has connections. It cannot commit without the next message.
 */
export async function sendInTime<T>(client: pg.ClientBase, send: () => Promise<T>): Promise<T> {
  const request = served.get(client);
  if (request?.storeMsLeft === undefined) return send();
  if (request.storeMsLeft <= 0) throw timeIsUp();
  return within(request, send());
}

/** Errors of a statement after which its session goes on: a value, a constraint, a conflict, or a limit of time. */
const HARMLESS = /^(22|23|40)|^(55P03|57014)$/;

/** Runs one statement on a connection of a pool, which gets the connection back when the statement has ended. */
export async function queryInTime<T>(pool: pg.Pool, send: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let sent: Promise<T> | undefined;
  try {
    return await sendInTime(client, () => {
      sent = send(client);
      return sent;
    });
  } finally {
    if (sent === undefined) client.release();
    else
      sent.then(
        () => client.release(),
        (err: Error) => client.release(HARMLESS.test(String((err as { code?: unknown }).code)) ? undefined : err),
      );
  }
}

/** Rejects when the time of the current request for PostgreSQL is up; the work continues. */
export async function inTime<T>(work: Promise<T>): Promise<T> {
  const request = currentRequestTrace();
  return request?.storeMsLeft === undefined ? work : within(request, work);
}
