import { defineError } from '#services/platform/define/error.ts';

export const progressInvalid = defineError({
  code: 'progress_invalid',
  status: 400,
  title: 'Report of progress invalid',
  cause:
    'A percentage is not from 0 to 100, a time is not RFC 3339 in UTC, or another member has a wrong type or value.',
  fix: 'Correct the member that `problems` names.',
  retryable: false,
});
