import type { QueueAdmin } from '#services/core/health/manage-queues.ts';
import { withRowLetters } from '#services/core/health/row-dead-letters.ts';
import type { Ports } from '#services/core/ports.ts';
import { givenUpHandoffs } from './given-up-handoffs.ts';

/** Adds the events that were given up to the dead letters of their queue. */
export const withHandoffs = (admin: QueueAdmin, ports: Pick<Ports, 'sql'>): QueueAdmin =>
  withRowLetters(admin, { queue: 'handoff', job: 'push-handoffs', rows: givenUpHandoffs(ports) });
