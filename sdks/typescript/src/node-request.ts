import { certificateThumbprint } from './dpop.ts';
import type { RequestFacts } from './request.ts';

/** What is read of a request of Node's HTTP server. */
export type NodeRequest = {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly socket?: unknown;
};

export type NodeRequestOptions<R> = {
  /**
   * Public origin of this service, as `https://tasks.example`, with the path prefix that a proxy removes. Set it when tokens are bound by DPoP: the Host header is
   * the sender's choice. Default: scheme of the connection, and Host.
   */
  readonly origin?: string;
  /** SHA-256 thumbprint of the client certificate. Default: that of the TLS connection. */
  readonly certificate?: (request: R) => string | undefined;
};

type TlsSocket = {
  readonly encrypted?: boolean;
  getPeerCertificate?(): { readonly raw?: Uint8Array } | undefined;
};

/** A header that was sent once; a list for a header that was sent twice is no single value. */
const single = (value: string | string[] | undefined): string | undefined =>
  typeof value === 'string' ? value : value?.join(', ');

async function peerThumbprint(socket: TlsSocket): Promise<string | undefined> {
  const raw = socket.encrypted === true ? socket.getPeerCertificate?.()?.raw : undefined;
  return raw === undefined ? undefined : certificateThumbprint(raw);
}

/** @param path the whole path, also in a router that is mounted below another */
export async function factsOf<R>(
  original: R,
  { method = 'GET', headers, socket }: NodeRequest,
  path: string,
  { origin, certificate }: NodeRequestOptions<R>,
): Promise<RequestFacts> {
  const tls = (socket ?? {}) as TlsSocket;
  const base =
    origin?.replace(/\/$/, '') ?? `${tls.encrypted === true ? 'https' : 'http'}://${single(headers.host) ?? ''}`;
  return {
    method,
    url: `${base}${path}`,
    authorization: single(headers.authorization),
    dpop: single(headers.dpop),
    certificate: certificate === undefined ? await peerThumbprint(tls) : certificate(original),
  };
}
