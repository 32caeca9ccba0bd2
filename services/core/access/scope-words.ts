import { z } from 'zod';
import type { LanguageTag } from '#services/platform/define/languages.ts';

/** What a scope of an application allows, in words that continue "It wants to:"; English where a language is missing. */
export const scopeWords = z.strictObject({ en: z.string().min(1).max(80), de: z.string().min(1).max(80).optional() });
export type ScopeWords = z.output<typeof scopeWords>;

export const wordsIn = (language: LanguageTag, words: ScopeWords): string => words[language] ?? words.en;

/** As changes of it are shown. @example wordsLine('notes:read', { en: 'read your notes' }) // 'notes:read ["read your notes"]' */
export const wordsLine = (scope: string, { en, de }: ScopeWords): string =>
  `${scope} ${JSON.stringify(de === undefined ? [en] : [en, de])}`;
