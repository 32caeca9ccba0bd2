import { definePermission } from '#services/platform/define/permissions.ts';

/** Jobs belong to many modules. */
export const queuesManage = definePermission({
  name: 'queues:manage',
  description: 'See queues and jobs, retry and remove jobs',
  roles: ['admin', 'operator'],
});
