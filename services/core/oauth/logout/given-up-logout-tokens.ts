import type { Ports } from '#services/core/ports.ts';
import { type GivenUpRows, givenUpRows } from '#services/core/shared/retries.store.ts';
import { logoutTokenRetries } from './logout-tokens.store.ts';

/** Logout tokens that were given up. */
export const givenUpLogoutTokens = ({ sql }: Pick<Ports, 'sql'>): GivenUpRows => givenUpRows(logoutTokenRetries, sql);
