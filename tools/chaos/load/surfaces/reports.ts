import { keep, type RowStatements, type Surface, type Tools } from './surface.ts';

export const reportRows: RowStatements = {
  'request of a report': 'SELECT id::text AS key FROM compliance_reports',
};

export function createReports(tools: Tools): Surface {
  const { ask, authorization, random } = tools;
  const headers = { authorization };
  const ids: string[] = [];

  const request = async (): Promise<void> => {
    const made = await keep(
      tools,
      { surface: 'reports', kind: 'request of a report', events: ['compliance.report_requested'] },
      () => ({ path: '/v1/compliance/reports', json: {}, headers }),
      ({ status }) => status === 202,
      ({ body }) => body.report_id,
    );
    if (made) ids.push(made.key);
  };
  const look = async (): Promise<void> => {
    const path = `/v1/compliance/reports/${random.pick(ids)}`;
    if (ids.length > 0) await ask(random.chance(0.5) ? 'A' : 'B', { method: 'GET', path, headers });
  };
  return {
    acts: [
      [0.02, request],
      [0.3, look],
    ],
    prepare: request,
    settle: look,
  };
}
