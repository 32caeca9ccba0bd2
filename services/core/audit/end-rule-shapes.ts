/** Rules that end a token family without a request; shown in the audit context and by `/v1/tokens/why`. */
export const END_RULES = [
  'role_removed',
  'rights_removed',
  'user_disabled',
  'client_disabled',
  'client_changed',
  'incident',
] as const;
export type EndRule = (typeof END_RULES)[number];
