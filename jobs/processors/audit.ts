import { sealEvents } from '../../services/domain/audit/seal-events.ts';
import { sealAuditEventsJob } from '../contracts/audit.ts';
import { run } from './run.ts';

export const auditProcessors = [
  run(sealAuditEventsJob, (ports, _payload, { fence, signal, caller }) => sealEvents(ports, { fence, signal }, caller)),
];
