import { describe, expect, test } from 'vitest';
import { actionNames, effectTexts, seenTexts, undoTexts } from '#console/src/texts/detections.ts';
import { actions, detections } from '#services/core/security/detections.ts';

const figures = (text: string): readonly string[] => (text.match(/\d+/g) ?? []).sort();
const actionTexts = (of: 'effect' | 'undo') =>
  Object.fromEntries(Object.entries(actions).map(([name, texts]) => [name, texts[of]]));

describe('what the console says of an incident', () => {
  test('in English it is what the detection or action declares', () => {
    expect(seenTexts.en).toEqual(Object.fromEntries(detections.map(({ name, meaning }) => [name, meaning])));
    expect(effectTexts.en).toEqual(actionTexts('effect'));
    expect(undoTexts.en).toEqual(actionTexts('undo'));
  });

  test.each(Object.entries({ seenTexts, effectTexts, undoTexts, actionNames }))(
    '%s has a German text for each, with the same figures',
    (_, { en, de }) => {
      expect(Object.keys(de).sort()).toEqual(Object.keys(en).sort());
      for (const [name, text] of Object.entries<string>(de)) {
        const english = (en as Readonly<Record<string, string>>)[name] ?? '';
        expect([name, text.trim() !== '', text !== english]).toEqual([name, true, true]);
        expect([name, figures(text)]).toEqual([name, figures(english)]);
      }
    },
  );

  test('every action has its own undo', () => {
    const texts = Object.values(undoTexts.en);
    expect(new Set(texts).size).toBe(texts.length);
  });
});
