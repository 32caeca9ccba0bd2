import { defineError } from '../../platform/define/error.ts';

export const consentUnknown = defineError({
  code: 'consent_unknown',
  status: 404,
  title: 'You let no such application act for you',
  cause: 'There is no consent to this client and no login of it, or not any more.',
  fix: 'See GET /v1/consents for those there are.',
  retryable: false,
});
