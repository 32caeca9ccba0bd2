import { defineError } from '#services/platform/define/error.ts';

export const alertTargetUnknown = defineError({
  code: 'alert_target_unknown',
  status: 404,
  title: 'Alert target not found',
  cause: 'No target of alerts has this id.',
  fix: 'GET /v1/admin/alert-targets lists them.',
});

export const alertTargetExists = defineError({
  code: 'alert_target_exists',
  status: 409,
  title: 'Alert target exists',
  cause: 'Another target has this name, or there are as many targets as an installation may have.',
  fix: 'Choose another name, or remove a target.',
});

/** `detail` says what is wrong. */
export const alertTargetInvalid = defineError({
  code: 'alert_target_invalid',
  title: 'Alert target invalid',
  cause: 'The address does not fit the kind of the target, or nothing can be sent there.',
  fix: 'Correct what `detail` names.',
});

export const alertUnknown = defineError({
  code: 'alert_unknown',
  status: 404,
  title: 'Alert not found',
  cause: 'No alert has this id, or it was resolved more than half a year ago.',
  fix: 'GET /v1/admin/alerts lists alerts.',
});

export const alertResolved = defineError({
  code: 'alert_resolved',
  status: 409,
  title: 'Alert already resolved',
  cause: 'The alert was resolved, so it can no longer be changed.',
  fix: 'Nothing needs to be done; if the cause comes back, there is a new alert.',
});

export const silenceUnknown = defineError({
  code: 'silence_unknown',
  status: 404,
  title: 'Silence not found',
  cause: 'No silence has this id, or it has ended.',
  fix: 'GET /v1/admin/silences lists silences.',
});

/** `detail` says what is wrong. */
export const silenceInvalid = defineError({
  code: 'silence_invalid',
  title: 'Silence invalid',
  cause: 'A silence ends in the future, within 90 days, and names each label once.',
  fix: 'Correct what `detail` names.',
});
