import { givenUpLogoutTokens } from '../oauth/logout/given-up-logout-tokens.ts';
import type { Ports } from '../ports.ts';
import type { QueueAdmin } from './manage-queues.ts';
import { withRowLetters } from './row-dead-letters.ts';

/** Adds the logout tokens that were given up to the dead letters of their queue. */
export const withLogoutTokens = (admin: QueueAdmin, ports: Pick<Ports, 'sql'>): QueueAdmin =>
  withRowLetters(admin, { queue: 'logout', job: 'send-logout-tokens', rows: givenUpLogoutTokens(ports) });
