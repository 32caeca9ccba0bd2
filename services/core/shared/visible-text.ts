/** All but line ends and tabs of the characters that control a terminal, are invisible or reorder the text around them. */
const HIDDEN = /(?!\r?\n|\t)[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u00a0\u2800]/gu;

const escaped = (text: string): string =>
  [...Array(text.length).keys()].map((at) => `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`).join('');

/**
 * Text that another person wrote, safe to show on a terminal: characters that are invisible, control the terminal or
 * reorder the text around them (Trojan Source, CVE-2021-42574) become JSON escapes. JSON text keeps its meaning.
 */
export const visibleText = (text: string): string => text.replaceAll(HIDDEN, escaped);
