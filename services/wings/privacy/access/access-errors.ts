import { defineError } from '#services/platform/define/error.ts';

export const phiAccessRefused = defineError({
  code: 'phi_access_refused',
  status: 403,
  title: 'Access to health data not permitted',
  cause:
    'No role of the caller, or of the owner of the agent that calls, may use health data for this purpose, the person has restricted this use (45 CFR 164.522), or has not consented to it (45 CFR 164.508). `reason` says which.',
  fix: 'Use the purpose that applies. In an emergency, POST /v1/privacy/break-glass.',
});

export const fieldPolicyUnknown = defineError({
  code: 'field_policy_unknown',
  status: 404,
  title: 'Field policy or role not found',
  cause: 'No role has this name, or it has no policy for this purpose.',
  fix: 'GET /v1/privacy/policies lists the policies.',
});

export const restrictionUnknown = defineError({
  code: 'restriction_unknown',
  status: 404,
  title: 'Restriction not found',
  cause: 'The person has no restriction with this id, or it ended before.',
  fix: 'GET /v1/privacy/subjects/{subject_id}/restrictions lists the restrictions.',
});

export const breakGlassUnknown = defineError({
  code: 'break_glass_unknown',
  status: 404,
  title: 'Emergency access not found',
  cause: 'No emergency access has this id; reviewed ones are deleted after six years.',
  fix: 'GET /v1/privacy/break-glass lists them.',
});

export const breakGlassReviewed = defineError({
  code: 'break_glass_reviewed',
  status: 409,
  title: 'Emergency access already reviewed',
  cause: 'An emergency access is reviewed once, by another user than the one who opened it.',
  fix: 'GET /v1/privacy/break-glass shows its review.',
});

export const usersOnly = defineError({
  code: 'users_only',
  status: 403,
  title: 'Only a user can do this',
  cause: 'Emergency access and its review belong to a person; this credential is that of a client or an agent.',
  fix: 'Sign in as the user.',
});

export const privacyRequestUnknown = defineError({
  code: 'privacy_request_unknown',
  status: 404,
  title: 'Request not found',
  cause: 'No export or deletion has this id.',
  fix: 'Use the id that the request returned.',
});

export const privacyRequestUnfinished = defineError({
  code: 'privacy_request_unfinished',
  status: 409,
  title: 'Export not available',
  cause:
    'The job has not finished, the request is a deletion, the export is older than a week, or its key was destroyed.',
  fix: 'GET /v1/privacy/requests/{request_id} shows the state; request another export.',
});
