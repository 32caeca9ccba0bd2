import type { Consumer } from './consumer.ts';
import type { Producer } from './producer.ts';
import { repeat } from './repeat.ts';

const LOOK_MS = 1_000;
/** A worker that starts again after a crash finds its own job soon. */
const FIRST_LOOKS = { count: 12, ms: 250 } as const;

/**
 * Returns the jobs of dead workers to their queues, within two looks of the end of their locks. While no job is active,
 * a look is one command for all queues, where BullMQ's own check sends seven for each.
 */
export function watchForDeadWorkers(
  producer: Pick<Producer, 'active'>,
  consumers: readonly Pick<Consumer, 'queue' | 'recover'>[],
): { close(): Promise<void> } {
  let looks = 0;
  const look = async (): Promise<void> => {
    looks += 1;
    const active = await producer.active(consumers.map(({ queue }) => queue));
    await Promise.all(consumers.filter(({ queue }) => active.includes(queue)).map((consumer) => consumer.recover()));
  };
  // While Redis is unreachable, no job can be returned: the next look follows.
  return repeat(
    () => look().catch(() => {}),
    () => (looks < FIRST_LOOKS.count ? FIRST_LOOKS.ms : LOOK_MS),
  );
}
