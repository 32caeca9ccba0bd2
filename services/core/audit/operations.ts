import { operation } from '../shared/operation.ts';
import { listAuditEventsEndpoint, readAuditEventEndpoint } from './contract.ts';
import { listEvents } from './read/list-events.ts';
import { readAuditEvent } from './read/read-event.ts';

/** Sealed events, for auditors. */
export const auditOperations = [
  operation(listAuditEventsEndpoint, listEvents),
  operation(readAuditEventEndpoint, readAuditEvent),
];
