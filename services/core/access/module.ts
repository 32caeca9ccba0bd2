import { cleanUpExpiredSessionsJob } from '#jobs/contracts/identity.ts';
import { defineModule } from '../module.ts';
import * as events from './audit-events.ts';
import * as permissions from './permissions.ts';
import { clientRefusalPurge } from './refusals/refusals.store.ts';

export const accessModule = defineModule({
  name: 'access',
  sentence: 'Keeps clients, roles and permissions, and who holds which; finds and names what a caller may read.',
  tables: [
    'roles',
    'permissions',
    'applications',
    'authorization_detail_types',
    'role_permissions',
    'oauth_clients',
    'client_refusals',
  ],
  permissions: Object.values(permissions),
  events: Object.values(events),
  purged: [{ by: cleanUpExpiredSessionsJob, purges: [clientRefusalPurge] }],
  operations: async () => [
    ...(await import('./client-operations.ts')).clientOperations,
    ...(await import('./refusals/operations.ts')).refusalOperations,
    ...(await import('./role-operations.ts')).roleOperations,
    ...(await import('./application-operations.ts')).applicationOperations,
    ...(await import('./search-operations.ts')).searchOperations,
  ],
  finders: async () => [
    (await import('./clients.store.ts')).clientFinder,
    (await import('./roles.store.ts')).roleFinder,
  ],
  gaps: async () => (await import('./first-steps.ts')).findClientGap,
  firstSteps: { 'first-client': permissions.clientsRead.name },
  metrics: () => import('#observability/metrics/access.ts'),
});
