import { type HasDetailTypes, wordsOf } from '#services/core/access/detail-type.ts';
import { visibleText } from '#services/core/shared/visible-text.ts';
import type { AuthorizationDetail } from '#services/core/tokens/authorization-details.ts';
import type { LanguageTag } from '#services/platform/define/languages.ts';

/** A detail as users read it: what it allows in words, and all of its members. */
export type ShownDetail = { readonly words: Readonly<Record<LanguageTag, string>>; readonly members: string };

const VALUE_CHARACTERS_MAX = 120;
const MEMBERS_CHARACTERS_MAX = 2_000;

/** On one line, without characters that are invisible or reorder text; a long one is cut in a way that shows. */
function shownValue(value: unknown, charactersMax: number, indent = 0): string {
  const text =
    typeof value === 'string' && !/\s/.test(value.replaceAll(' ', '')) ? value : JSON.stringify(value, null, indent);
  const points = [...visibleText(text ?? '–')];
  return points.length <= charactersMax ? points.join('') : `${points.slice(0, charactersMax).join('')}…`;
}

const valueAt = (members: unknown, path: readonly string[]): unknown =>
  path.reduce((value, name) => (Object.hasOwn(Object(value), name) ? Object(value)[name] : undefined), members);

/** The details in the words of their types. A type that is no longer declared is shown by its name. */
export const shownDetails = (
  { access }: HasDetailTypes,
  details: readonly AuthorizationDetail[],
): readonly ShownDetail[] =>
  details.map(({ type, ...members }) => {
    const declared = access
      .applications()
      .find(({ detailTypes }) => detailTypes.has(type))
      ?.detailTypes.get(type);
    const { en, de } = declared?.words ?? { en: type, de: type };
    const shown = (path: readonly string[]): string => shownValue(valueAt(members, path), VALUE_CHARACTERS_MAX);
    return {
      words: { en: wordsOf(en, shown), de: wordsOf(de, shown) },
      members: shownValue(members, MEMBERS_CHARACTERS_MAX, 2),
    };
  });
