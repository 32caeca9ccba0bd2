import { keep, REASON, type RowStatements, type Surface, type Tools } from './surface.ts';

export const retentionRows: RowStatements = {
  'run of the retention policies': 'SELECT id::text AS key FROM retention_runs',
};

export function createRetention(tools: Tools): Surface {
  const { attempt, authorization, random } = tools;
  const headers = { authorization };

  const run = (): Promise<unknown> =>
    keep(
      tools,
      { surface: 'retention', kind: 'run of the retention policies', events: ['retention.requested'] },
      () => ({
        path: '/v1/privacy/retention/runs',
        json: { dry_run: random.chance(0.5), reason: REASON },
        headers,
      }),
      ({ status }) => status === 202,
      ({ body }) => body.run_id,
    );

  const setPolicy = (): Promise<unknown> =>
    attempt(
      { kind: 'retention policy', events: ['retention.policy_changed'], isRepeatable: true, subject: null },
      () => ({
        method: 'PUT',
        path: '/v1/privacy/retention',
        json: { kind: 'exports', keep_days: random.between(7, 3_000), reason: REASON },
        headers,
      }),
      ({ status }) => status === 200,
    );

  return {
    acts: [
      [0.08, run],
      [0.08, setPolicy],
    ],
    prepare: async () => {
      await run();
      await setPolicy();
    },
    // It wakes the worker for those whose wake a fault took; else they would wait for the timetable.
    settle: async () => void (await run()),
  };
}
