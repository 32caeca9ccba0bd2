import type { FastifyRequest } from 'fastify';
import type { Caller, Ports } from '#services/core/ports.ts';
import { consumeProof, type DpopPorts, verifyProof } from '#services/core/tokens/dpop/use-dpop-proof.ts';
import { type CallerResolver, requestProof } from './caller.ts';
import { sentCredential } from './credentials.ts';

export type ProofPorts = DpopPorts &
  Pick<Ports, 'hotSql'> & {
    readonly publicUrl: string;
    /** The origin of a request, for a server with several; `publicUrl` unless given. */
    readonly originOf?: (host: string | undefined) => string;
  };

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Makes every copy reject a DPoP proof after its first use in a request that is not a read, so that an attacker who
 * repeats a recorded request changes nothing (RFC 9449 §11.1). A read may repeat its proof while that is fresh: this
 * needs no row, and the attacker learns only what the first response contained.
 */
export function useProofsOnce(ports: ProofPorts, callers: CallerResolver): CallerResolver {
  // A route of an embedding application may authenticate one request several times.
  const consumed = new WeakSet<FastifyRequest>();
  return {
    forEndpoint(endpoint) {
      const resolve = callers.forEndpoint(endpoint);
      if (endpoint.auth === 'public') return resolve;
      const resolveProved = async (request: FastifyRequest): Promise<Caller> => {
        const caller = await resolve(request);
        const sent = sentCredential(request.headers);
        const proof = requestProof(sent, request);
        if (sent.kind === 'dpop' && proof !== undefined && !consumed.has(request)) {
          const presented = { ...proof, htu: (ports.originOf?.(proof.host) ?? ports.publicUrl) + proof.path };
          await consumeProof(ports, verifyProof(ports, presented, sent.token));
          consumed.add(request);
        }
        return caller;
      };
      return (request) =>
        READS.has(request.method) || request.headers.authorization?.startsWith('Basic ')
          ? resolve(request)
          : resolveProved(request);
    },
  };
}
