/** The most that a login may ever carry: what its user had when a caller issued it for the user. */
export type RightsLimit = { readonly roles: readonly string[]; readonly permissions: readonly string[] };

/** What is held of what the limit allows; all of it where there is no limit. */
export const withinLimit = (held: readonly string[], limit: readonly string[] | undefined): readonly string[] =>
  limit === undefined ? held : held.filter((each) => limit.includes(each));
