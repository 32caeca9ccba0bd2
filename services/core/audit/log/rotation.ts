import { type NoteKey, vkeyOf } from './note.ts';

// A checkpoint has a number in the second line, and this note a key: neither can be read as the other.
const FIRST_LINE = /^(.+)\/key-rotation$/;

/** The text by which a key of a log names the key that replaces it: a line of its own, the old key, the new key. */
export const rotationText = (from: NoteKey, to: NoteKey): string =>
  `${from.name}/key-rotation\n${vkeyOf(from)}\n${vkeyOf(to)}\n`;

/**
 * The log under whose name the keys of such a note are written.
 * @throws TypeError if the note is another one
 */
export function rotationName(note: string): string {
  const [, name] = FIRST_LINE.exec(note.slice(0, note.indexOf('\n'))) ?? [];
  if (name === undefined) throw new TypeError('not a note of a key rotation');
  return name;
}

/** One file of several notes: a blank line between them, as between the two parts of each. */
export const joinNotes = (notes: readonly string[]): string => notes.join('\n');
