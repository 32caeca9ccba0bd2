import { afterAll, beforeAll, expect, test } from 'vitest';
import { testCaller } from '#tools/testing/harness/ports.ts';
import { type OwnPorts, openTestPorts } from '#tools/testing/harness/stores.ts';
import { passwordGuessing, tokenReplay } from './detections.ts';
import { acknowledgeIncident, closeIncident } from './manage-incidents.ts';
import { isIncidentOpen } from './open-incidents.ts';
import { raiseIncident } from './raise-incident.ts';

let ports: OwnPorts;
beforeAll(async () => {
  ports = await openTestPorts();
});
afterAll(() => ports?.end());

test('an incident of severity high counts until it is closed; a lesser one does not', async () => {
  const target = { kind: 'user', id: 'u' } as const;
  await raiseIncident(ports.sql, ports, testCaller, passwordGuessing, { target });
  expect(await isIncidentOpen(ports)).toBe(false);
  const { id: incidentId } = await raiseIncident(ports.sql, ports, testCaller, tokenReplay, { target });
  expect(await isIncidentOpen(ports)).toBe(true);
  await acknowledgeIncident(ports, { incident_id: incidentId, reason: 'test' }, testCaller);
  expect(await isIncidentOpen(ports)).toBe(true);
  await closeIncident(ports, { incident_id: incidentId, reason: 'test' }, testCaller);
  expect(await isIncidentOpen(ports)).toBe(false);
});
