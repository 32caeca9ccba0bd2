const SAFE = /^[\w@%+=:,./-]+$/;
/** One word of a POSIX shell, quoted where it needs to be. */
export const shellWord = (word: string): string => (SAFE.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
