import { defineEndpoint } from '#services/platform/define/endpoint.ts';
import { REFUSALS, reads } from '../access/admin-shapes.ts';
import { dashboardView } from './dashboard-shapes.ts';
import { monitoringRead } from './permissions.ts';

const TAG = 'Monitoring';

export const readDashboardEndpoint = defineEndpoint({
  method: 'GET',
  path: '/v1/admin/dashboard',
  operation: 'readDashboard',
  summary: 'Get the figures of security, performance and resources, each with the time that it is of',
  tag: TAG,
  auth: reads(monitoringRead),
  responses: { 200: dashboardView },
  errors: [...REFUSALS],
});
