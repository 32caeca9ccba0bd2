/** All but line ends and tabs of the characters that are invisible or reorder the text around them. */
const HIDDEN = /(?!\r?\n|\t)[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u00a0\u2800]/gu;

const escaped = (text: string): string =>
  Array.from({ length: text.length }, (_, at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join('');

/** Text on which a decision rests: what would be invisible in it (Trojan Source, CVE-2021-42574) is shown as an escape. */
export const visibleText = (text: string): string => text.replaceAll(HIDDEN, escaped);
