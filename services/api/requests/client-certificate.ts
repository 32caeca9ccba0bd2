import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type ClientCertificate, forwardedCertificate } from '#services/core/access/certificates/client-certificate.ts';

declare module 'fastify' {
  // biome-ignore lint/style/useConsistentTypeDefinitions: only an interface merges with the library's.
  interface FastifyRequest {
    /** The client certificate that a trusted proxy forwarded; undefined: none, null: unreadable. */
    readonly clientCertificate: ClientCertificate | null | undefined;
    /** Its thumbprint, likewise. */
    readonly certificate: string | null | undefined;
  }
}

/**
 * Whether the peer itself is a trusted proxy. `ips` continues past the peer only while each address is trusted, so it
 * has more than one entry if and only if the peer is trusted and names its client (X-Forwarded-For).
 */
const isFromProxy = ({ ips = [] }: FastifyRequest): boolean => ips.length > 1;

/**
 * Reads a request's client certificate (RFC 8705) from this header, lazily. From any peer but a trusted proxy, the
 * header is an unverified claim and is ignored.
 */
export function readCertificates(app: FastifyInstance, header: string | undefined): void {
  app.decorateRequest('clientCertificate', {
    getter(this: FastifyRequest): ClientCertificate | null | undefined {
      const sent = header === undefined ? undefined : this.headers[header];
      if (sent === undefined || sent === '' || !isFromProxy(this)) return undefined;
      // Repeated headers are joined by commas and so do not parse as a certificate.
      return forwardedCertificate(String(sent));
    },
  });
  app.decorateRequest('certificate', {
    getter(this: FastifyRequest): string | null | undefined {
      const { clientCertificate } = this;
      return clientCertificate ? clientCertificate.thumbprint : clientCertificate;
    },
  });
}
