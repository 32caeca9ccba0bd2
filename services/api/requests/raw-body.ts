import type { FastifyRequest } from 'fastify';

const kept = new WeakMap<object, Buffer>();

/** Keeps the bytes of a body whose digest was sent: a signature is over bytes, not over what they were parsed to. */
export function keepRawBody(request: FastifyRequest, bytes: Buffer): void {
  if (request.headers['content-digest'] !== undefined) kept.set(request, bytes);
}

const NOT_KEPT = Buffer.alloc(0);

/** The body as it was sent; undefined without one, and no bytes where they were not kept: no digest is theirs. */
export function rawBodyOf(request: FastifyRequest): Buffer | undefined {
  return kept.get(request) ?? (request.body === undefined ? undefined : NOT_KEPT);
}
