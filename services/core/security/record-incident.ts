import type { z } from 'zod';
import type { recordIncidentJob } from '#jobs/contracts/operations.ts';
import type { Caller, Ports } from '../ports.ts';
import { reportedIncident } from './detections.ts';
import { insertReport } from './incidents.store.ts';
import { raiseIncident } from './raise-incident.ts';

export { insertReport as isNewReport } from './incidents.store.ts';

/** Raises the incident that an embedding application reported, once for each report. */
export async function recordIncident(
  ports: Pick<Ports, 'transact' | 'random'>,
  { payload }: { readonly payload: z.output<(typeof recordIncidentJob)['payload']> },
  caller: Caller,
): Promise<void> {
  const { id, at, type, severity, user_id: userId, detail } = payload;
  await ports.transact(async (tx) => {
    if (!(await insertReport(tx, id))) return;
    const sighting = { target: { kind: 'user', id: userId }, detail: { ...detail, type, reported_at: at } } as const;
    await raiseIncident(tx, ports, caller, { ...reportedIncident, severity }, sighting);
  });
}
