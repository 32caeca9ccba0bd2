import type { Client, HasAccess } from '#services/core/access/access-directory.ts';
import { callerOfClient } from '#services/core/access/client-caller.ts';
import type { HasPublicAddress } from '#services/core/access/server-metadata.ts';
import { CONSOLE_CLIENT_ID } from '#services/core/authority/callers.ts';
import type { Caller } from '#services/core/ports.ts';
import { directoryStale } from '#services/platform/errors.ts';

/** Where the authorization endpoint leads back to. */
const CONSOLE_CALLBACK = '/console/callback';

export const callbackOf = ({ publicUrl }: Pick<HasPublicAddress, 'publicUrl'>): string =>
  `${publicUrl}${CONSOLE_CALLBACK}`;

/** Throws `directory_stale` (503) while this copy does not know the client yet. */
export function consoleClient({ access }: HasAccess): Client {
  const client = access.client(CONSOLE_CLIENT_ID);
  if (client === undefined) throw directoryStale({ retryAfterSeconds: 1 });
  return client;
}

/**
 * The console as the caller of the token endpoint's use case. The client has no secret, so no request from outside
 * authenticates as it.
 */
export const consoleCaller = (ports: HasAccess, { request }: Caller): Caller =>
  callerOfClient(ports.access, consoleClient(ports), 'secret', request);
