/** Names of social providers: theirs beside ours. A name that is not listed is kept as it is. */
export type SocialNames = { ours(theirs: string): string; theirs(ours: string): string };

export function socialNames(pairs: Readonly<Record<string, string>>): SocialNames {
  const back = new Map(Object.entries(pairs).map(([theirs, ours]) => [ours, theirs]));
  return {
    ours: (theirs) => (Object.hasOwn(pairs, theirs) ? (pairs[theirs] as string) : theirs),
    theirs: (ours) => back.get(ours) ?? ours,
  };
}
