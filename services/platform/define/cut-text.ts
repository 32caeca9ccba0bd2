/**
 * At most so many UTF-16 code units of a text that a person reads, and no half of a character: a lone surrogate cannot be
 * stored, and makes JSON that strict readers refuse.
 */
export const cutText = (text: string, charactersMax: number): string =>
  text.length <= charactersMax ? text : text.slice(0, charactersMax).replace(/[\ud800-\udbff]$/, '');
