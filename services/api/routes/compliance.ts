import { attestControl } from '#services/domain/compliance/attest-control.ts';
import {
  acceptViolationEndpoint,
  acknowledgeViolationEndpoint,
  assignViolationEndpoint,
  attestControlEndpoint,
  cancelReportEndpoint,
  listControlsEndpoint,
  listReportsEndpoint,
  listViolationsEndpoint,
  readReportBundleEndpoint,
  readReportEndpoint,
  readReportEvidenceEndpoint,
  requestReportEndpoint,
} from '#services/domain/compliance/contract.ts';
import { listControls } from '#services/domain/compliance/list-controls.ts';
import {
  acknowledgeViolation,
  changeViolation,
  listViolations,
} from '#services/domain/compliance/manage-violations.ts';
import {
  listReports,
  readReport,
  readReportBundle,
  readReportCsv,
  readReportPdf,
} from '#services/domain/compliance/reports/read-report.ts';
import { cancelReport, requestReport } from '#services/domain/compliance/reports/request-report.ts';
import type { Ports } from '#services/domain/ports.ts';
import { answer } from '../answer.ts';
import { bind, bindOnce, type RouteContext } from '../bind.ts';

const download = (name: string, contentType: string): Record<string, string> => ({
  'content-type': contentType,
  'content-disposition': `attachment; filename="${name}"`,
});

/** Compliance controls, their evidence, and reports. */
export function complianceRoutes(routes: RouteContext, deps: Pick<Ports, 'sql' | 'transact' | 'random'>): void {
  bind(routes, listControlsEndpoint, async ({ query: { status, profile } }) => ({
    controls: (await listControls(deps)).filter(
      (control) =>
        (status === undefined || control.status === status) && (profile === undefined || control.profile === profile),
    ),
  }));
  bindOnce(routes, attestControlEndpoint, ({ params, body }, caller, once) =>
    attestControl({ ...deps, ...once }, { controlId: params.control_id, note: body.reason }, caller),
  );
  bind(routes, listViolationsEndpoint, async ({ query }) => {
    const { items, next } = await listViolations(deps, query);
    return { violations: items, next };
  });
  bind(routes, assignViolationEndpoint, ({ params: { violation_id: violationId }, body }, caller) =>
    changeViolation(
      deps,
      { violationId, state: 'assigned', owner: body.owner, dueAt: body.due_at, reason: body.reason },
      caller,
    ),
  );
  bind(routes, acceptViolationEndpoint, ({ params: { violation_id: violationId }, body }, caller) =>
    changeViolation(deps, { violationId, state: 'accepted', reason: body.reason }, caller),
  );
  bind(routes, acknowledgeViolationEndpoint, ({ params: { violation_id: violationId }, body }, caller) =>
    acknowledgeViolation(deps, { violationId, throughSeq: body.through_seq, reason: body.reason }, caller),
  );
  bind(routes, requestReportEndpoint, (_input, caller) => requestReport(deps, caller));
  bind(routes, listReportsEndpoint, async ({ query }) => {
    const { items, next } = await listReports(deps, query);
    return { reports: items, next };
  });
  bind(routes, readReportEndpoint, async ({ params: { report_id: id } }, _caller, request) => {
    if (!request.headers.accept?.startsWith('application/pdf')) return readReport(deps, id);
    return answer(200, await readReportPdf(deps, id), download(`compliance-${id}.pdf`, 'application/pdf'));
  });
  bind(routes, cancelReportEndpoint, async ({ params: { report_id: id }, body }, caller) => {
    await cancelReport(deps, { reportId: id, reason: body.reason }, caller);
    return readReport(deps, id);
  });
  bind(routes, readReportBundleEndpoint, async ({ params: { report_id: id } }) =>
    answer(200, Buffer.from(await readReportBundle(deps, id)), download(`compliance-${id}.json`, 'application/json')),
  );
  bind(routes, readReportEvidenceEndpoint, async ({ params: { report_id: id } }) =>
    answer(
      200,
      await readReportCsv(deps, id),
      download(`compliance-${id}.csv`, 'text/csv; charset=utf-8; header=present'),
    ),
  );
}
