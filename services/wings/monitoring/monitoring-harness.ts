// For tests only: sealed events of the log.

import type { OwnPorts } from '#tools/testing/harness/stores.ts';

/** Writes sealed events, as the sealer does, with the next numbers. */
export function createSealedEvents({ raw }: Pick<OwnPorts, 'raw'>) {
  let seq = 0;
  return async (type: string, outcome: string, times = 1, ago = '0 hours'): Promise<void> => {
    await raw`INSERT INTO audit_events (seq, event_id, type, outcome, actor_kind, detail, occurred_at, sealed_at, leaf)
      SELECT ${seq}::bigint + nth, gen_random_uuid(), ${type}, ${outcome}, 'system', '{}',
        clock_timestamp() - ${ago}::interval, clock_timestamp(), '\\x00'
      FROM generate_series(0, ${times}::int - 1) nth`;
    seq += times;
  };
}
