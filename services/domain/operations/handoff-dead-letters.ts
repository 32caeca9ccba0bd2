import { givenUpHandoffs } from '../handoff/given-up-handoffs.ts';
import type { Ports } from '../ports.ts';
import type { QueueAdmin } from './manage-queues.ts';
import { withRowLetters } from './row-dead-letters.ts';

/** Adds the events that were given up to the dead letters of their queue. */
export const withHandoffs = (admin: QueueAdmin, ports: Pick<Ports, 'sql'>): QueueAdmin =>
  withRowLetters(admin, { queue: 'handoff', job: 'push-handoffs', rows: givenUpHandoffs(ports) });
