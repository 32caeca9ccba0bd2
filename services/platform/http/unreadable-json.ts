import type { AppError } from '../define/error.ts';
import { bodyMalformed } from '../errors.ts';

/** V8's words up to here are fixed; after it, and in other messages, it quotes the text, which may hold a secret. */
const PLACED = /^([A-Z][^"]*(?:"[,:}\]]"[^"]*)?) in JSON at position (\d+)/;
const ENDS = /^Unexpected end of JSON input|^Unterminated string/;
/** Longest text in which a place is searched that V8 does not give. */
const SEARCHED_MAX = 65_536;

const messageOf = (text: string): string => {
  try {
    JSON.parse(text);
    return '';
  } catch (err) {
    return (err as Error).message;
  }
};

const isCutOff = (text: string): boolean => {
  const message = messageOf(text);
  return message === '' || ENDS.test(message) || Number(PLACED.exec(message)?.[2] ?? -1) >= text.length;
};

/** The index of the character that cannot belong to any JSON text that begins like this one. */
function wrongCharacterIn(text: string): number {
  let good = 0;
  let bad = text.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (isCutOff(text.slice(0, middle))) good = middle;
    else bad = middle;
  }
  return bad - 1;
}

function placeOf(text: string, index: number): string {
  const before = text.slice(0, index).split('\n');
  return `at line ${before.length}, column ${(before.at(-1) as string).length + 1}`;
}

/** The refusal of a text that the JSON parser refused. It says where, and quotes nothing of the text. */
export function unreadableJson({ message }: Error, text: string): AppError {
  if (text.trim() === '') return bodyMalformed({ detail: 'The body is empty.' });
  const [, words, position] = PLACED.exec(message) ?? [];
  if (messageOf(text) === '')
    return bodyMalformed({ detail: 'A member has a name that is not accepted: __proto__ or constructor.' });
  if (ENDS.test(message) || Number(position ?? -1) >= text.length)
    return bodyMalformed({ detail: `The JSON text ends too early, ${placeOf(text, text.length)}.` });
  if (position !== undefined)
    return bodyMalformed({ detail: `Not JSON ${placeOf(text, Number(position))}: ${words}.` });
  return bodyMalformed(
    text.length > SEARCHED_MAX ? {} : { detail: `Not JSON ${placeOf(text, wrongCharacterIn(text))}.` },
  );
}
