import type { FastifyRequest } from 'fastify';

const LOOPBACK = /^(?:::ffff:)?127(?:\.\d{1,3}){3}$|^::1$/;
const LOCAL_HOST = /^(?:localhost|(?:[a-z\d-]+\.){1,8}localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'] as const;

export const isLocalAddress = (address: string): boolean => LOCAL_HOST.test(new URL(address).host);

/**
 * Whether a browser on this machine sent the request to this machine's own name. A page of another site whose name
 * resolves to this machine (DNS rebinding) has another Host, a proxy says that it forwards, and a script of another origin
 * that may read answers (CORS_ORIGINS) sends its Origin.
 */
export const isSameMachine = ({ headers, socket }: Pick<FastifyRequest, 'headers' | 'socket'>): boolean =>
  LOOPBACK.test(socket.remoteAddress ?? '') &&
  LOCAL_HOST.test(headers.host ?? '') &&
  headers.origin === undefined &&
  FORWARDED.every((name) => headers[name] === undefined);
