import { definePermission } from '#services/platform/define/permissions.ts';

export const signalsRead = definePermission({
  name: 'signals:read',
  description: 'Read transmitters of shared signals and what they sent',
  roles: ['admin', 'auditor', 'operator'],
});

export const ssfRead = definePermission({ name: 'ssf.read', description: 'Read own streams of shared signals' });

export const ssfManage = definePermission({
  name: 'ssf.manage',
  description: 'Receive security events of all users by streams of shared signals',
});

export const signalsManage = definePermission({
  name: 'signals:manage',
  description: 'Say which transmitters may end sessions here',
});
