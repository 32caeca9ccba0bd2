import type { FastifyRequest } from 'fastify';

const kept = new WeakMap<object, Buffer>();

/** Keeps the bytes of a body sent with a digest, or to an endpoint that needs them: a signature covers bytes, not parsed values. */
export function keepRawBody(request: FastifyRequest, bytes: Buffer, isNeeded: boolean): void {
  if (isNeeded || request.headers['content-digest'] !== undefined) kept.set(request, bytes);
}

const NOT_KEPT = Buffer.alloc(0);

/** The body as sent; undefined without a body, and empty where the bytes were not kept, so that no digest matches. */
export const rawBodyOf = (request: FastifyRequest): Buffer | undefined =>
  kept.get(request) ?? (request.body === undefined ? undefined : NOT_KEPT);
