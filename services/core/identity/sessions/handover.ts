import type { RequestContext } from '#services/core/ports.ts';
import type { Assurance } from '../users/assurance.ts';
import type { AuthSession, LiveSession, RenewedSession } from './live-session.ts';

/** Values that one call passes through Better Auth, which has no parameters for them. */
export type Handover = {
  readonly digest?: string;
  readonly verifiedDigest?: string;
  readonly afterCommit: (() => Promise<void>)[] | null;
  /** How the user authenticated for the session to be opened. */
  assurance?: Assurance;
  /** When the new session expires; by default a full lifetime from now. */
  readonly expiresAt?: Date;
  /** When the user authenticated; by default now. */
  readonly createdAt?: Date;
  /** The session that goes on instead of a new one. */
  readonly renews?: RenewedSession | null;
  /** The session whose cookie is set again instead of opening one. */
  readonly resumes?: AuthSession;
  /**
   * The session that a call acts for if the plugin requires one; a use-case has authenticated the user by
   * cookie or token.
   */
  readonly as?: LiveSession;
  opened?: LiveSession;
  isCached?: boolean;
};

export const ADDRESS_HEADER = 'x-sallyport-address';
/** Placeholder for the password that Better Auth requires and never uses. */
export const HANDED_OVER = 'handed over';

/** The only request headers that Better Auth sees. */
export function engineHeaders(request: RequestContext): Headers {
  const userAgent = request.userAgent.replaceAll(/[^\x20-\x7e]/g, '');
  return new Headers({ 'user-agent': userAgent, ...(request.ip === '' ? {} : { [ADDRESS_HEADER]: request.ip }) });
}

/** Asserts that a use-case or Better Auth has supplied the value. Throws if it is missing. */
export function required<T>(value: T | undefined | null): T {
  if (value === undefined || value === null) throw new Error('a required value is missing');
  return value;
}
