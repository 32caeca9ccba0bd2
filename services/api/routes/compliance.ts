import type { Ports } from '#services/core/ports.ts';
import {
  readReportBundleEndpoint,
  readReportEndpoint,
  readReportEvidenceEndpoint,
} from '#services/wings/compliance/contract.ts';
import {
  readReport,
  readReportBundle,
  readReportCsv,
  readReportPdf,
} from '#services/wings/compliance/reports/read-report.ts';
import { answer, download } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';

/** Compliance controls, their evidence, and reports. */
export function complianceRoutes(routes: RouteContext, deps: Pick<Ports, 'sql' | 'transact' | 'random'>): void {
  bind(routes, readReportEndpoint, async ({ params: { report_id: id } }, _caller, request, sql = deps.sql) => {
    if (!request.headers.accept?.startsWith('application/pdf')) return readReport({ sql }, id);
    return answer(200, await readReportPdf({ sql }, id), download(`compliance-${id}.pdf`, 'application/pdf'));
  });
  bind(routes, readReportBundleEndpoint, async ({ params: { report_id: id } }, _caller, _request, sql = deps.sql) =>
    answer(
      200,
      Buffer.from(await readReportBundle({ sql }, id)),
      download(`compliance-${id}.json`, 'application/json'),
    ),
  );
  bind(routes, readReportEvidenceEndpoint, async ({ params: { report_id: id } }, _caller, _request, sql = deps.sql) =>
    answer(
      200,
      await readReportCsv({ sql }, id),
      download(`compliance-${id}.csv`, 'text/csv; charset=utf-8; header=present'),
    ),
  );
}
