import type { FastifyInstance, FastifyRequest } from 'fastify';
import { certificateThumbprint } from '#services/platform/http/client-certificate.ts';

declare module 'fastify' {
  // biome-ignore lint/style/useConsistentTypeDefinitions: only an interface merges with the library's.
  interface FastifyRequest {
    /** Thumbprint of the client certificate that a trusted proxy vouches for; undefined: none, null: unreadable. */
    readonly certificate: string | null | undefined;
  }
}

/**
 * Whether the peer itself is a trusted proxy. `ips` goes on from the peer only while each is trusted, so it has more
 * than the peer exactly where that is trusted and says for whom it speaks (X-Forwarded-For).
 */
const isFromProxy = ({ ips = [] }: FastifyRequest): boolean => ips.length > 1;

/**
 * Reads the client certificate of a request (RFC 8705) from this header, when it is asked for and not before. From
 * anybody but a trusted proxy the header is somebody's claim, and counts for nothing.
 */
export function readCertificates(app: FastifyInstance, header: string | undefined): void {
  app.decorateRequest('certificate', {
    getter(this: FastifyRequest): string | null | undefined {
      const sent = header === undefined ? undefined : this.headers[header];
      if (sent === undefined || sent === '' || !isFromProxy(this)) return undefined;
      // Several headers are joined by commas, and so no certificate.
      return certificateThumbprint(String(sent));
    },
  });
}
