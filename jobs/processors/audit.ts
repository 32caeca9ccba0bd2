import { maintainAuditOutbox } from '#services/domain/audit/maintain-audit-outbox.ts';
import { sealEvents } from '#services/domain/audit/seal/seal-events.ts';
import { thinCheckpoints } from '#services/domain/audit/seal/thin-checkpoints.ts';
import type { WorkerPorts } from '#services/worker/ports.ts';
import { maintainAuditOutboxJob, sealAuditEventsJob, thinAuditCheckpointsJob } from '../contracts/audit.ts';
import { fenced, run } from './run.ts';

/** Only this job writes the sealed log, under its own database role. */
const asSealer = (ports: WorkerPorts): WorkerPorts => ({ ...ports, ...ports.sealing });

export const auditProcessors = [
  run(maintainAuditOutboxJob, (ports, _payload, { fence, signal }) =>
    maintainAuditOutbox(fenced(asSealer(ports), fence), { outboxDays: ports.config.audit.outboxDays }, signal),
  ),
  run(thinAuditCheckpointsJob, (ports, _payload, { fence, signal }) =>
    thinCheckpoints(fenced(asSealer(ports), fence), signal),
  ),
  run(sealAuditEventsJob, (ports, _payload, { fence, signal, caller }) =>
    sealEvents(asSealer(ports), { fence, signal }, caller),
  ),
];
