import { defineAuditEvent } from '../../platform/define/audit-event.ts';

export const userLogin = defineAuditEvent({
  type: 'user.login',
  durability: 'durable',
  outcomes: ['ok', 'refused'],
  meaning:
    'Somebody tried to sign in. `refused` is committed before its 401; `detail.identifier` is a keyed hash of the e-mail.',
});
