import { defineError } from '#services/platform/define/error.ts';

export const nothingToAccept = defineError({
  code: 'nothing_to_accept',
  status: 409,
  title: 'Database matches its high-water marks: nothing was lost',
  cause: 'Accepting a loss ends every session and token, and this database shows no loss.',
  fix: 'Nothing needs to be done. To end every session and token anyway, add --force.',
});
