import type { FastifyRequest } from 'fastify';
import type { HasKeyRing } from '#services/core/keys/key-ring.ts';
import type { Caller, Ports } from '#services/core/ports.ts';
import { idempotentRequest, workOnce } from '#services/core/tokens/issue/idempotency.ts';
import type { Endpoint } from '#services/platform/define/endpoint.ts';

/** The ports of a use-case, so that its writes, the idempotency key and the stored answer are one transaction. */
export type Once = Pick<Ports, 'transact' | 'sql'>;

export type OncePorts = Pick<Ports, 'transact' | 'sql' | 'random'> & HasKeyRing;

type AskedOnce = {
  readonly endpoint: Pick<Endpoint, 'operation' | 'responses'>;
  readonly caller: Caller;
  readonly request: Pick<FastifyRequest, 'body' | 'params' | 'headers'>;
};

/**
 * Processes a creating request once for each `Idempotency-Key` of its caller: another request with the same key and
 * body gets the same answer, and of concurrent ones only one has an effect. The stored answer can only be decrypted
 * with the key. A refusal is not stored. Without the header every request is processed. Throws `request_invalid` (400)
 * for a malformed key, `idempotency_key_reused` (422) for another body.
 */
export async function answerOnce<T extends object>(
  ports: OncePorts,
  { endpoint, caller, request: { body, params, headers } }: AskedOnce,
  work: (once: Once) => Promise<T> | T,
): Promise<T> {
  const key = headers['idempotency-key'];
  const { transact, sql } = ports;
  if (key === undefined) return work({ transact, sql });
  const asked = {
    request: idempotentRequest(ports, caller, String(key), endpoint.operation, {
      params,
      body,
      ifMatch: headers['if-match'],
    }),
    status: Number(Object.keys(endpoint.responses)[0]),
  };
  return transact((tx) =>
    workOnce(tx, ports.random, asked, async () => work({ transact: (inner) => inner(tx), sql: tx })),
  );
}
