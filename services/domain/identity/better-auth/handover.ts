import type { RequestContext } from '#services/domain/ports.ts';
import type { Assurance } from '../assurance.ts';
import type { LiveSession } from '../sessions/live-session.ts';

/** What one call hands through Better Auth, which has no parameter for it. */
export type Handover = {
  readonly digest?: string;
  readonly provenDigest?: string;
  readonly afterCommit: (() => Promise<void>)[] | null;
  /** How the login behind the session to be opened was proved. */
  assurance?: Assurance;
  /** When the session to be opened ends; a whole life from now unless said. */
  readonly expiresAt?: Date;
  /** When the login behind it was proved; now unless said. */
  readonly createdAt?: Date;
  /** Whom a call is for, where it asks for a session: ours has recognised them, by cookie or by token. */
  readonly as?: LiveSession;
  opened?: LiveSession;
  isCached?: boolean;
};

export const ADDRESS_HEADER = 'x-sallyport-address';
/** Stands where Better Auth expects the password, which it never needs. */
export const HANDED_OVER = 'handed over';

/** The only headers Better Auth sees of a request. */
export function engineHeaders(request: RequestContext): Headers {
  const userAgent = request.userAgent.replaceAll(/[^\x20-\x7e]/g, '');
  return new Headers({ 'user-agent': userAgent, ...(request.ip === '' ? {} : { [ADDRESS_HEADER]: request.ip }) });
}

/** What must be there by now: handed over by a use-case, given back by Better Auth. Throws where there is none. */
export function required<T>(value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Error('nothing was handed over');
  return value;
}
