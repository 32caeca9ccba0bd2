import type { RefusalResponse, RequestFacts } from './request.ts';

export type WebRequestOptions = {
  /**
   * Public origin of this service, as `https://tasks.example`, with the path prefix that a proxy removes. Default: that of
   * `request.url`.
   */
  readonly origin?: string;
  /** SHA-256 thumbprint of the client certificate, from where the platform puts it. Default: none. */
  readonly certificate?: (request: Request) => string | undefined;
};

export function factsOf(request: Request, { origin, certificate }: WebRequestOptions): RequestFacts {
  const { pathname, search, origin: own } = new URL(request.url);
  return {
    method: request.method,
    url: `${origin?.replace(/\/$/, '') ?? own}${pathname}${search}`,
    authorization: request.headers.get('authorization'),
    dpop: request.headers.get('dpop'),
    certificate: certificate?.(request),
  };
}

export const responseOf = ({ status, headers, body }: RefusalResponse): Response =>
  new Response(JSON.stringify(body), { status, headers });
