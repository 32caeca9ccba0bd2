import type { Caller } from '#services/core/ports.ts';

/** A process or command itself, as events name it. */
export const systemCaller = (name: string): Caller & { readonly kind: 'system' } => ({
  kind: 'system',
  name,
  request: { ip: '', userAgent: '', traceId: '', traceparent: '' },
});
