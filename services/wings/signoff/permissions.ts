import { definePermission } from '#services/platform/define/permissions.ts';

export const signoffsRead = definePermission({
  name: 'signoffs:read',
  description: 'Read sign-offs and their receipts',
  roles: [
    'admin',
    'architect',
    'auditor',
    'developer',
    'operator',
    'product_owner',
    'qa',
    'security_reviewer',
    'tech_lead',
  ],
});

export const signoffsRequest = definePermission({
  name: 'signoffs:request',
  description: 'Request sign-offs, and run what was approved',
  roles: ['admin', 'architect', 'developer', 'operator', 'product_owner', 'qa', 'security_reviewer', 'tech_lead'],
});

export const signoffsApprove = definePermission({
  name: 'signoffs:approve',
  description: 'Approve and deny in a role that one has',
  roles: ['admin', 'architect', 'developer', 'product_owner', 'qa', 'security_reviewer', 'tech_lead'],
});
