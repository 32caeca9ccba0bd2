import { z } from 'zod';
import type { Ports } from '#services/core/ports.ts';
import { like, needOf, tool } from '#services/core/shared/tool.ts';
import { controlView, listControlsEndpoint, readReportEndpoint } from './contract.ts';
import { readControls } from './list-controls.ts';
import { readReport } from './reports/read-report.ts';

export const complianceTools = [
  tool({
    name: 'read_compliance_status',
    title: 'Compliance status',
    description: 'Count the compliance controls by status and list those that do not pass.',
    need: needOf(listControlsEndpoint),
    input: z.strictObject({}),
    output: z.object({ counts: z.record(z.string(), z.int()), open: z.array(controlView) }),
    resource: 'sallyport://compliance',
    run: async (ports: Pick<Ports, 'sql'>) => {
      const controls = await readControls(ports);
      const counts: Record<string, number> = {};
      for (const { status } of controls) counts[status] = (counts[status] ?? 0) + 1;
      const open = controls.filter(({ status }) => status !== 'pass' && status !== 'not_applicable');
      return { counts, open };
    },
  }),
  tool({
    name: 'read_compliance_report',
    title: 'Compliance report',
    description: 'Read the state, progress and summary of a compliance report.',
    ...like(readReportEndpoint),
    input: readReportEndpoint.params!,
    resource: 'sallyport://compliance/reports/{report_id}',
    run: (ports: Pick<Ports, 'sql'>, input) => readReport(ports, input.report_id),
  }),
] as const;
