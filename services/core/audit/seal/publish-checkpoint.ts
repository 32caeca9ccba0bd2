import type { Caller, Ports } from '#services/core/ports.ts';
import { consistencySpans } from '../log/merkle.ts';
import { checkpointText, signNote } from '../log/note.ts';
import type { OpenLog } from '../log.store.ts';
import { auditLogKeyMissing } from '../log-errors.ts';
import { readSpans } from '../log-tiles.ts';
import type { HasCheckpointOutbox } from './checkpoint-outbox.ts';
import { insertCheckpoint, readCheckpointsOfSize } from './checkpoints.store.ts';
import type { HasLogGauges } from './log-gauges.ts';
import type { HasLogSigner } from './log-signer.ts';
import { headOf, stopSealing } from './settle-log.ts';

type PublishPorts = Pick<Ports, 'sql' | 'transact' | 'log'> & HasLogSigner & HasCheckpointOutbox & HasLogGauges;

/**
 * Signs the head of a settled log, unless it is signed already, and passes it to the sinks. If a checkpoint of the same
 * size has another root, signs nothing and stops sealing: two signed roots of one size are a fork.
 * @returns false if sealing stopped
 * @throws auditLogKeyMissing (503) before the first start of an API
 */
export async function publishCheckpoint(ports: PublishPorts, log: OpenLog, caller: Caller): Promise<boolean> {
  const existing = await readCheckpointsOfSize(ports.sql, log);
  if (existing.some(({ root }) => root !== log.root)) {
    await stopSealing(ports, log, 'forked', caller);
    return false;
  }
  let [note] = existing.map((checkpoint) => checkpoint.note);
  if (note === undefined) {
    const signers = await ports.logSigner.signers(log.origin);
    if (signers.length === 0) throw auditLogKeyMissing({ retryAfterSeconds: 5 });
    note = signNote(checkpointText({ ...log, root: Buffer.from(log.root, 'base64') }), signers);
    await insertCheckpoint(ports.sql, log, note);
  }
  const { origin, size } = log;
  ports.checkpointOutbox.offer({
    ...headOf(log),
    note,
    consistencyProof: (oldSize) => readSpans(ports.sql, origin, consistencySpans(oldSize, size)),
  });
  return true;
}
