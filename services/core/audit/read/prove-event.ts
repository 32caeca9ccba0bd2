import type { Ports } from '#services/core/ports.ts';
import { auditEventUnknown, auditLogDamaged, auditProofPending } from '../errors.ts';
import { readPlacedEvent } from '../events.store.ts';
import { inclusionSpans } from '../log/merkle.ts';
import { formatProof } from '../log/proof.ts';
import { hashSpans, TileMissingError, tilesOf } from '../log/tiles.ts';
import { readNewestCheckpoint, readTiles } from '../log-reader.store.ts';

/**
 * Returns the `.tlog-proof` of an event: its inclusion proof and the newest checkpoint of its log. Costs two small reads
 * and at most five tiles, whatever the size of the log.
 * @throws auditEventUnknown (404), auditProofPending (503), auditLogDamaged (500)
 */
export async function proveEvent({ sql }: Pick<Ports, 'sql'>, seq: number): Promise<string> {
  const event = await readPlacedEvent(sql, seq);
  if (event === null) throw auditEventUnknown();
  const checkpoint = await readNewestCheckpoint(sql, event.origin);
  if (checkpoint === null || checkpoint.size <= event.index) throw auditProofPending({ retryAfterSeconds: 1 });
  const spans = inclusionSpans(event.index, checkpoint.size);
  const tiles = new Map<string, Buffer>();
  for (const { level, n, hashes } of await readTiles(sql, event.origin, tilesOf(spans)))
    tiles.set(`${level}/${n}`, hashes);
  try {
    const hashes = hashSpans(spans, { get: (level, n) => tiles.get(`${level}/${n}`) });
    return formatProof({ index: event.index, hashes, checkpoint: checkpoint.note });
  } catch (err) {
    throw err instanceof TileMissingError ? auditLogDamaged({ cause: err }) : err;
  }
}
