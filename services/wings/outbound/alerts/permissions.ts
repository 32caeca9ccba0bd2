import { definePermission } from '#services/platform/define/permissions.ts';

export const alertsRead = definePermission({
  name: 'alerts:read',
  description: 'Read alerts, their targets, silences and what was sent',
  roles: ['admin', 'auditor', 'operator'],
});

export const alertsManage = definePermission({
  name: 'alerts:manage',
  description: 'Acknowledge and silence alerts, and say where they are sent',
});

/** For a monitoring system, by an API key that has nothing else. */
export const alertsReceive = definePermission({
  name: 'alerts:receive',
  description: 'Report alerts of a monitoring system',
});
