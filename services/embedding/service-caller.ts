import { currentTraceId, currentTraceparent } from '#observability/http-span.ts';
import type { Caller, RequestContext } from '../core/ports.ts';
import type { ClientInfo } from '../core/tokens/token-types.ts';

/** A service of this process as a caller, in the request for which the application calls it, by default of an unknown client. */
export const serviceCaller = (
  name: string,
  { ip, userAgent }: ClientInfo = { ip: '', userAgent: '' },
  { hashIdentifier }: Pick<RequestContext, 'hashIdentifier'> = {},
): Caller & { readonly kind: 'system' } => {
  const traceparent = currentTraceparent() ?? '';
  const request = { ip, userAgent, traceId: currentTraceId() ?? '', traceparent, hashIdentifier };
  return { kind: 'system', name, request };
};
