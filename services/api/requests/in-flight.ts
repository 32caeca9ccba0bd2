import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

declare module 'fastify' {
  interface FastifyRequest {
    /** Where its reply stands among those in flight; -1 where it does not. */
    placeInFlight: number;
  }
}

/** Requests received and not yet answered. */
export type InFlight = {
  readonly size: number;
  replies(): readonly FastifyReply[];
  /** Until its answer has gone out, or whoever was to get it has. */
  enter(request: FastifyRequest, reply: FastifyReply): void;
};

/**
 * Keeps those of one server; call it before its first route. `onClosed` hears of each as it leaves.
 *
 * Not a Set: it outgrows a table every few dozen requests, and each outgrown table points at the next and at all that
 * stood in it. Once one of them is old, every request since lives until the whole heap is collected: 13 ms of garbage
 * collection instead of 1 ms, six times a second at 20,000 validations a second.
 */
export function keepInFlight(
  app: FastifyInstance,
  onClosed: (request: FastifyRequest, reply: FastifyReply) => void = () => {},
): InFlight {
  app.decorateRequest('placeInFlight', -1);
  const replies: FastifyReply[] = [];

  function leave(request: FastifyRequest): void {
    const place = request.placeInFlight;
    request.placeInFlight = -1;
    const last = replies.pop() as FastifyReply;
    if (last.request === request) return;
    replies[place] = last;
    last.request.placeInFlight = place;
  }

  return {
    get size() {
      return replies.length;
    },
    replies: () => replies,
    enter(request, reply) {
      request.placeInFlight = replies.push(reply) - 1;
      // Not in onResponse: it never runs where the caller goes away in the midst of the body.
      reply.raw.once('close', () => {
        leave(request);
        onClosed(request, reply);
      });
    },
  };
}
