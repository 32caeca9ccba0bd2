import { z } from 'zod';
import { pageQuery, reads } from '#services/core/access/admin-shapes.ts';
import { endpointsOf } from '#services/platform/define/endpoint.ts';
import { capacityView } from './capacity/capacity-shapes.ts';
import { dashboardView } from './dashboard-shapes.ts';
import { securityReportNotReady, securityReportsBusy, securityReportUnknown } from './errors.ts';
import { monitoringRead, monitoringReport } from './permissions.ts';
import { securityReportView } from './reports/report-shapes.ts';

const defineEndpoint = endpointsOf('Monitoring');

export const readDashboardEndpoint = defineEndpoint({
  path: '/v1/admin/dashboard',
  operation: 'readDashboard',
  summary: 'Get the figures of security, performance and resources, each with the time that it is of',
  reads: 'replica',
  auth: reads(monitoringRead),
  responses: { 200: dashboardView },
});

export const readCapacityEndpoint = defineEndpoint({
  path: '/v1/admin/capacity',
  operation: 'readCapacity',
  summary: 'Predict when limits are reached, and advise on settings with the figures that speak for it',
  auth: reads(monitoringRead),
  responses: { 200: capacityView },
});

export const requestSecurityReportEndpoint = defineEndpoint({
  method: 'POST',
  path: '/v1/admin/reports',
  operation: 'requestSecurityReport',
  summary: 'Request a security report, which a worker makes',
  // Counts and changes nothing.
  auth: reads(monitoringReport),
  /** Rounded down to whole hours; `to` at most now, `from` at most 400 days before it. By default the last seven days. */
  body: z.strictObject({ from: z.iso.datetime().optional(), to: z.iso.datetime().optional() }),
  bodyOptional: true,
  responses: { 202: z.object({ report_id: z.string() }) },
  errors: [securityReportsBusy],
});

export const listSecurityReportsEndpoint = defineEndpoint({
  path: '/v1/admin/reports',
  operation: 'listSecurityReports',
  summary: 'List security reports, newest first; one is made of every week',
  auth: reads(monitoringRead),
  query: z.strictObject(pageQuery),
  responses: { 200: z.object({ reports: z.array(securityReportView), next: z.string().nullable() }) },
});

const byReport = z.strictObject({ report_id: z.uuid() });

export const readSecurityReportEndpoint = defineEndpoint({
  path: '/v1/admin/reports/{report_id}',
  operation: 'readSecurityReport',
  summary: 'Get the status of a security report',
  auth: reads(monitoringRead),
  params: byReport,
  responses: { 200: securityReportView },
  errors: [securityReportUnknown],
});

export const readSecurityReportFileEndpoint = defineEndpoint({
  ...readSecurityReportEndpoint,
  path: '/v1/admin/reports/{report_id}/file',
  operation: 'readSecurityReportFile',
  summary: 'Download a security report as JSON, whose hash the audit log has',
  responses: { 200: { contentType: 'application/json', schema: z.string() } },
  errors: [securityReportUnknown, securityReportNotReady],
});

export const readSecurityReportDaysEndpoint = defineEndpoint({
  ...readSecurityReportFileEndpoint,
  path: '/v1/admin/reports/{report_id}/days',
  operation: 'readSecurityReportDays',
  summary: 'Download the days of a security report as CSV',
  responses: { 200: { contentType: 'text/csv', schema: z.string() } },
});
