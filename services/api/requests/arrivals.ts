import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { Clock } from '#services/core/ports.ts';
import { patient } from '#services/platform/process/patience.ts';

/** How often the clock is read, milliseconds: the precision of an arrival time. */
export const BEAT_MS = 20;
/** The same after a second without a request: the bound of the first one is that much less precise. */
export const IDLE_BEAT_MS = 100;
const IDLE_AFTER_MS = 1_000;
/** Connections that can wait to be accepted: the backlog of `listen` and one more. */
const BACKLOG = 512;
/** A process whose last poll of its sockets was this long ago was stopped. */
export const STANDSTILL_MS = 1_000;

export type Arrivals = {
  /** Monotonic milliseconds: bytes now read from the socket cannot have arrived earlier. The current time before `listen`. */
  earliest(socket: Socket): number;
  /** Whether the process has been stopped since that time. */
  hasStoodStillSince(arrivedAt: number): boolean;
};

/**
 * Gives a lower bound of the time a request arrived. The kernel does not report that time, but every poll of the event
 * loop reads all sockets that have bytes: what is read now arrived after the previous poll. A timer notes the time, and
 * an immediate, which runs after the next poll, confirms it. No step uses the wall clock.
 *
 * Each poll accepts one connection, so bytes of a new connection may be older: they arrived after the last poll that
 * found nothing to accept, and after the connection that was `BACKLOG` places ahead was accepted.
 */
export function watchArrivals(server: Server, clock: Pick<Clock, 'monotonic'>): Arrivals {
  const accepted = new WeakMap<Socket, { readonly at: number; readonly arrivedAfter: number }>();
  const acceptTimes = new Float64Array(BACKLOG).fill(Number.NEGATIVE_INFINITY);
  let count = 0;
  let polledAt = Number.POSITIVE_INFINITY;
  let standstillEndedAt = Number.NEGATIVE_INFINITY;
  let queueEmptyAt = 0;
  let isQueueBusy = false;
  let hasAccepted = false;
  let timer: NodeJS.Timeout | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  let isIdle = false;
  const standstillMs = patient(STANDSTILL_MS);

  function beat(): void {
    const now = clock.monotonic();
    if (now - polledAt > standstillMs) standstillEndedAt = now;
    setImmediate(() => {
      polledAt = now;
      if (timer !== undefined) schedule(now - askedAt > IDLE_AFTER_MS);
    });
  }

  function schedule(idle: boolean): void {
    if (timer !== undefined && idle === isIdle) {
      timer.refresh();
      return;
    }
    clearTimeout(timer);
    isIdle = idle;
    timer = setTimeout(beat, idle ? IDLE_BEAT_MS : BEAT_MS).unref();
  }

  function afterPoll(): void {
    isQueueBusy = hasAccepted;
    hasAccepted = false;
    if (isQueueBusy) setImmediate(afterPoll);
  }

  server.once('listening', () => {
    polledAt = clock.monotonic();
    askedAt = polledAt;
    schedule(false);
  });
  server.once('close', () => {
    clearTimeout(timer);
    timer = undefined;
  });
  server.on('connection', (socket: Socket) => {
    if (!isQueueBusy) {
      isQueueBusy = true;
      queueEmptyAt = polledAt;
      setImmediate(afterPoll);
    }
    hasAccepted = true;
    const slot = count % BACKLOG;
    const at = clock.monotonic();
    accepted.set(socket, { at, arrivedAfter: Math.max(queueEmptyAt, acceptTimes[slot] as number) });
    acceptTimes[slot] = at;
    count += 1;
  });

  return {
    earliest: (socket) => {
      askedAt = clock.monotonic();
      if (isIdle && timer !== undefined) schedule(false);
      const connection = accepted.get(socket);
      // A poll after the connection was accepted would have read its waiting bytes.
      const isNew = connection !== undefined && connection.at > polledAt;
      return Math.min(askedAt, isNew ? connection.arrivedAfter : polledAt);
    },
    hasStoodStillSince: (arrivedAt) => arrivedAt < standstillEndedAt || clock.monotonic() - polledAt > standstillMs,
  };
}
