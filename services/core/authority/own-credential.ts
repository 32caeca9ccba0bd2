import { ownCredentialRequired } from '#services/platform/errors.ts';
import type { Caller } from '../ports.ts';
import { authenticatedClientOf, clientOf } from './callers.ts';

/**
 * False for a client or agent that sent nothing but an access token or an API key, which may have leaked. True for one that
 * sent its own credential or proved the key that its token is bound to, and for every other caller.
 */
export function isByOwnCredential(caller: Caller): boolean {
  const client = clientOf(caller);
  return client === null || client.isBound === true || authenticatedClientOf(client) !== null;
}

/**
 * Throws `own_credential_required` (403) for a client or agent with no credential of its own: what a token or an API key
 * makes would outlive it. Users pass; they are asked for a recent sign-in.
 */
export function assertOwnCredential(caller: Caller): void {
  if (!isByOwnCredential(caller)) throw ownCredentialRequired();
}
