import { join } from 'node:path';
// Declares the events of every module: a leaf shows nothing of an event that is not declared.
import '../modules.ts';
import { createCheckpointOutbox } from '../core/audit/seal/checkpoint-outbox.ts';
import { createLogGauges } from '../core/audit/seal/log-gauges.ts';
import { createLogSigner } from '../core/keys/log/log-keys.ts';
import type { CheckpointSink, Ports } from '../core/ports.ts';
import { createFileSink } from '../platform/checkpoints/file-sink.ts';
import { s3SettingsOf } from '../platform/checkpoints/s3-requests.ts';
import { createS3Sink } from '../platform/checkpoints/s3-sink.ts';
import { createWitnessSink } from '../platform/checkpoints/witness-sink.ts';
import type { Config } from '../platform/config/load.ts';
import { createLogMark } from '../platform/marks/mark-stores.ts';

export const composeAuditLog = (
  ports: Pick<Ports, 'sql' | 'vault' | 'clock' | 'log'>,
  config: Config,
  dataDir: string,
) => ({
  logMark: createLogMark(config.marks, dataDir),
  logSigner: createLogSigner(ports),
  logGauges: createLogGauges(ports),
  checkpointOutbox: createCheckpointOutbox({ ...ports, checkpointSinks: sinksOf(config, dataDir) }),
  auditOrigin: config.audit.logOrigin ?? defaultOrigin(config),
});

const defaultOrigin = ({ server }: Config): string =>
  `${server.publicUrl === undefined ? 'sallyport.local' : new URL(server.publicUrl).host}/audit`;

function sinksOf({ audit }: Config, dataDir: string): CheckpointSink[] {
  const makers: Record<CheckpointSink['kind'], () => CheckpointSink[]> = {
    file: () => [createFileSink(audit.folder ?? join(dataDir, 'audit', 'checkpoints'))],
    witness: () => audit.witnesses.map(createWitnessSink),
    s3: () => [createS3Sink(s3SettingsOf(audit))],
  };
  return audit.sinks.flatMap((kind) => makers[kind]());
}
