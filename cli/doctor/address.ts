import { isIP } from 'node:net';
import { type Check, pass, type Result, warn } from '#services/core/health/doctor-check.ts';
import { findApi } from '../api-client.ts';

/** @param url the address that browsers open */
export function addressResult(url: string): Result {
  const { hostname, port, protocol } = new URL(url);
  if (isIP(hostname.replace(/^\[(.*)\]$/, '$1')) === 0) return pass(url);
  const better = `${protocol}//localhost${port === '' ? '' : `:${port}`}`;
  return warn(
    `${url}: browsers allow no passkeys at an IP address`,
    `set BETTER_AUTH_URL=${better}; tokens then have it as issuer and audience, so add JWT_ISSUER=${url} and JWT_AUDIENCE=${url} where services know those`,
  );
}

/** Checks that passkeys work at the address that browsers open. */
export const addressCheck: Check = {
  name: 'address',
  run: async (settings) => addressResult((await settings()).server.publicUrl ?? findApi(undefined)),
};
