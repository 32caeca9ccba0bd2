const escaped = (text: string): string =>
  [...Array(text.length).keys()].map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join('');

/**
 * Arguments as a person reads them before deciding. Characters that are invisible or reorder the text around them
 * (Trojan Source, CVE-2021-42574) are shown as JSON escapes.
 */
export const shownArguments = (value: unknown): string =>
  JSON.stringify(value, null, 2).replaceAll(
    /[\p{Cf}\p{Co}\p{Cn}\u2028\u2029\u00a0\u3164\uffa0\u115f\u1160]/gu,
    escaped,
  );
