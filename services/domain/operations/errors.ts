import { defineError } from '../../platform/define/error.ts';

export const nothingToAccept = defineError({
  code: 'nothing_to_accept',
  status: 409,
  title: 'The database is at its marks: nothing was lost',
  cause: 'Accepting a loss ends every session and token, and this database shows none.',
  fix: 'Nothing needs to be done. To end everything all the same, add --force.',
  retryable: false,
});
