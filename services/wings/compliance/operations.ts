import type { Ports } from '#services/core/ports.ts';
import { download } from '#services/core/shared/answer.ts';
import { operation } from '#services/core/shared/operation.ts';
import { attestControl } from './attest-control.ts';
import type { ViolationView } from './contract.ts';
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
} from './contract.ts';
import { listControls } from './list-controls.ts';
import { acceptViolation, acknowledgeViolation, assignViolation, listViolations } from './manage-violations.ts';
import { listReports, readReport, readReportBundle, readReportCsv, readReportPdf } from './reports/read-report.ts';
import { reportLine } from './reports/report-line.ts';
import { cancelReport, requestReport } from './reports/request-report.ts';

const controlOperations = [
  operation(listControlsEndpoint, listControls),
  operation(attestControlEndpoint, attestControl),
];

const eventsLine = ({ unacknowledged, last_seq: last, first }: NonNullable<ViolationView['events']>): string =>
  `${unacknowledged} unacknowledged up to ${last}: ${first.map(({ seq, type }) => `${seq} ${type}`).join(', ')}`;
const violationLine = ({ violation_id: id, control_id: control, state, events }: ViolationView): string =>
  [id, state.padEnd(8), control, ...(events === null ? [] : [eventsLine(events)])].join('  ');

const violationOperations = [
  operation(listViolationsEndpoint, listViolations, {
    verb: 'violations list',
    help: 'list violations, newest first, with the events that are not acknowledged',
    options: { state: { flags: '--state <state>', help: 'only violations with this value' } },
    line: violationLine,
  }),
  operation(assignViolationEndpoint, assignViolation),
  operation(acceptViolationEndpoint, acceptViolation),
  operation(acknowledgeViolationEndpoint, acknowledgeViolation, {
    verb: 'violations acknowledge <violation_id>',
    help: 'acknowledge the events that a violation names; the next check resolves it',
    options: {
      through_seq: { flags: '--through <seq>', help: 'the last event that you have seen; later ones stay open' },
    },
    asks: ({ violation_id: id, through_seq: last }) => `acknowledge the events of violation ${id} up to ${last}`,
    lines: (violation) => [violationLine(violation)],
  }),
];

const reportOperations = [
  operation(requestReportEndpoint, requestReport),
  operation(listReportsEndpoint, listReports, {
    verb: 'report list',
    help: 'list compliance reports, newest first',
    line: reportLine,
  }),
  operation(cancelReportEndpoint, cancelReport),
  operation(
    readReportEndpoint,
    async (ports: Pick<Ports, 'sql'>, { report_id: id }, _caller, { headers: { accept } }) => {
      if (!accept?.startsWith('application/pdf')) return readReport(ports, id);
      return download(`compliance-${id}.pdf`, 'application/pdf', await readReportPdf(ports, id));
    },
  ),
  operation(readReportBundleEndpoint, async (ports: Pick<Ports, 'sql'>, { report_id: id }) =>
    download(`compliance-${id}.json`, 'application/json', Buffer.from(await readReportBundle(ports, id))),
  ),
  operation(readReportEvidenceEndpoint, async (ports: Pick<Ports, 'sql'>, { report_id: id }) =>
    download(`compliance-${id}.csv`, 'text/csv; charset=utf-8; header=present', await readReportCsv(ports, id)),
  ),
];

export const complianceOperations = [...controlOperations, ...violationOperations, ...reportOperations];
