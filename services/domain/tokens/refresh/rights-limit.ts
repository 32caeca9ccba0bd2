/** Upper limit of a family's roles and permissions: those its user had when a caller issued it for the user. */
export type RightsLimit = { readonly roles: readonly string[]; readonly permissions: readonly string[] };

/** The rights that the limit allows; all of them without a limit. */
export const withinLimit = (rights: readonly string[], limit: readonly string[] | undefined): readonly string[] =>
  limit === undefined ? rights : rights.filter((each) => limit.includes(each));
