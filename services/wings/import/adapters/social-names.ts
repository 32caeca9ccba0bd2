/** A provider in our words, by the names of another system; a name that is not listed is kept as it is. */
export const socialNames =
  (pairs: Readonly<Record<string, string>>) =>
  (theirs: string): string =>
    Object.hasOwn(pairs, theirs) ? (pairs[theirs] as string) : theirs;
