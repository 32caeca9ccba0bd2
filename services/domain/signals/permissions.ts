import { definePermission } from '#services/platform/define/permissions.ts';

export const signalsRead = definePermission({
  name: 'signals:read',
  description: 'Read transmitters of shared signals and what they sent',
  roles: ['admin', 'auditor', 'operator'],
});

export const signalsManage = definePermission({
  name: 'signals:manage',
  description: 'Say which transmitters may end sessions here',
  roles: ['admin'],
});
