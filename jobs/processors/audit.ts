import { maintainAuditOutbox } from '../../services/domain/audit/maintain-audit-outbox.ts';
import { sealEvents } from '../../services/domain/audit/seal/seal-events.ts';
import { thinCheckpoints } from '../../services/domain/audit/seal/thin-checkpoints.ts';
import { maintainAuditOutboxJob, sealAuditEventsJob, thinAuditCheckpointsJob } from '../contracts/audit.ts';
import { fenced, run } from './run.ts';

export const auditProcessors = [
  run(maintainAuditOutboxJob, (ports, _payload, { fence, signal }) =>
    maintainAuditOutbox(fenced(ports, fence), { outboxDays: ports.config.audit.outboxDays }, signal),
  ),
  run(thinAuditCheckpointsJob, (ports, _payload, { fence, signal }) => thinCheckpoints(fenced(ports, fence), signal)),
  run(sealAuditEventsJob, (ports, _payload, { fence, signal, caller }) => sealEvents(ports, { fence, signal }, caller)),
];
