import type { Ports } from '#services/core/ports.ts';
import { readSecurityReportDaysEndpoint, readSecurityReportFileEndpoint } from '#services/wings/monitoring/contract.ts';
import {
  readSecurityReportCsv,
  readSecurityReportFile,
} from '#services/wings/monitoring/reports/read-security-report.ts';
import { answer, download } from '../answer.ts';
import { bind, type RouteContext } from '../bind.ts';

/** The dashboard, security reports and the capacity forecast. */
export function monitoringRoutes(
  routes: RouteContext,
  deps: Pick<Ports, 'sql' | 'transact' | 'random' | 'clock'>,
): void {
  bind(routes, readSecurityReportFileEndpoint, async ({ params }) =>
    answer(
      200,
      Buffer.from(await readSecurityReportFile(deps, params)),
      download(`security-${params.report_id}.json`, 'application/json'),
    ),
  );
  bind(routes, readSecurityReportDaysEndpoint, async ({ params }) =>
    answer(
      200,
      await readSecurityReportCsv(deps, params),
      download(`security-${params.report_id}.csv`, 'text/csv; charset=utf-8; header=present'),
    ),
  );
}
