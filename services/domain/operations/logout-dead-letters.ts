import { readGivenUpLogoutTokens, retryLogoutToken } from '../oauth/logout/given-up-logout-tokens.ts';
import type { Ports } from '../ports.ts';
import type { DeadLetter, QueueAdmin } from './manage-queues.ts';

const QUEUE = 'logout';
const JOB = 'send-logout-tokens';

/**
 * Adds the logout tokens that were given up to the dead letters of their queue. They are rows, because one job sends
 * the tokens of all clients and must not fail with one of them.
 */
export const withLogoutTokens = (admin: QueueAdmin, ports: Pick<Ports, 'sql'>): QueueAdmin => ({
  ...admin,
  async queues() {
    const { count } = await readGivenUpLogoutTokens(ports, 0);
    return (await admin.queues()).map((queue) =>
      queue.name === QUEUE ? { ...queue, dead: queue.dead + count } : queue,
    );
  },
  async deadLetters(limit, queue) {
    const letters = await admin.deadLetters(limit, queue);
    if (queue !== undefined && queue !== QUEUE) return letters;
    const { tokens } = await readGivenUpLogoutTokens(ports, limit);
    const givenUp = tokens.map(
      ({ id, failure, attempts, failedAt }): DeadLetter => ({
        queue: QUEUE,
        job_id: id,
        job: JOB,
        code: failure,
        attempts,
        failed_at: failedAt.toISOString(),
      }),
    );
    return [...letters, ...givenUp].sort((a, b) => (a.failed_at < b.failed_at ? 1 : -1)).slice(0, limit);
  },
  retry: async (letter) =>
    (letter.queue === QUEUE && (await retryLogoutToken(ports, letter.job_id))) || admin.retry(letter),
});
