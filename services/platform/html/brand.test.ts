import { expect, test } from 'vitest';
import { accentsOf, contrastOf } from './brand.ts';

test('contrast is the ratio of WCAG: 21 between black and white, 1 between equal colours', () => {
  expect(contrastOf('#000000', '#ffffff')).toBe(21);
  expect(contrastOf('#123456', '#123456')).toBe(1);
  // A known pair: #767676 is the lightest grey that can be read on white.
  expect(contrastOf('#767676', '#ffffff')).toBeCloseTo(4.54, 2);
});

test.each(['#000000', '#ffffff', '#ffff00', '#ff0000', '#00ff00', '#0000ff', '#7f7f7f', '#0b57c2'])(
  'the brand colour %s becomes a colour that can be read in light and dark, and its buttons too',
  (colour) => {
    const { light, onLight, dark, onDark } = accentsOf(colour);
    for (const [text, ground] of [
      [light, '#eef1f6'],
      [light, '#ffffff'],
      [dark, '#0f151e'],
      [dark, '#182130'],
      [onLight, light],
      [onDark, dark],
    ] as const)
      expect([text, ground, contrastOf(text, ground) >= 4.5]).toEqual([text, ground, true]);
  },
);

test('a colour that can be read as it is stays as it is', () => {
  expect(accentsOf('#0b57c2').light).toBe('#0b57c2');
  expect(accentsOf('#8ab8ff').dark).toBe('#8ab8ff');
});
