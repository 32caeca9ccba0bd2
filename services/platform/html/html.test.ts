import { expect, test } from 'vitest';
import { coloursOf, contrastOf, DEFAULT_BRAND } from './brand.ts';
import { html, raw } from './html.ts';
import { ACCENT } from './tokens.ts';

test('html escapes every value, in elements and in quoted attributes', () => {
  const hostile = `</p><script>"'&`;
  expect(html`<p title="${hostile}">${hostile}</p>`.text).toBe(
    '<p title="&lt;/p&gt;&lt;script&gt;&quot;&#39;&amp;">&lt;/p&gt;&lt;script&gt;&quot;&#39;&amp;</p>',
  );
});

test('nested and repeated templates are not escaped twice, and absent values add no text', () => {
  const items = ['<a>', 'b'].map((name) => html`<li>${name}</li>`);
  expect(html`<ul>${items}</ul>${null}${undefined}${false}${0}`.text).toBe('<ul><li>&lt;a&gt;</li><li>b</li></ul>0');
});

test('only raw leaves text unescaped', () =>
  expect(html`<style>${raw('a>b{}')}</style>`.text).toBe('<style>a>b{}</style>'));

/** A part of one colour over another, as `color-mix` makes it. */
const mixed = (colour: string, over: string, part: number): string =>
  colour.replaceAll(/[\da-f]{2}/g, (channel, at: number) => {
    const below = Number.parseInt(over.slice(at, at + 2), 16);
    const value = Math.round(below + (Number.parseInt(channel, 16) - below) * part);
    return value.toString(16).padStart(2, '0');
  });

test('contrast is the ratio of WCAG: 21 between black and white, 1 between equal colours', () => {
  expect([contrastOf('#000000', '#ffffff'), contrastOf('#123456', '#123456')]).toEqual([21, 1]);
  // A known pair: #767676 is the lightest grey that can be read on white.
  expect(contrastOf('#767676', '#ffffff')).toBeCloseTo(4.54, 2);
});

test.each(['#000000', '#ffffff', '#ffff00', '#ff0000', '#00ff00', '#0000ff', '#7f7f7f', '#0b57c2'])(
  'the brand colour %s becomes a colour that can be read in light and dark, and its buttons too',
  (colour) => {
    const { accent, solid, on, card, ...others } = coloursOf({ colour });
    for (const theme of [0, 1] as const) {
      const tint = mixed(accent[theme], card[theme], 0.06);
      for (const name of ['ground', 'side', 'raised', 'hover', 'good-ground', 'warn-ground', 'bad-ground'] as const)
        expect([name, contrastOf(accent[theme], others[name][theme]) >= 4.5]).toEqual([name, true]);
      for (const [text, ground, least] of [
        [accent[theme], card[theme], 4.5],
        [accent[theme], tint, 4.5],
        [on[theme], solid[theme], 4.5],
        [solid[theme], card[theme], 3],
      ] as const)
        expect([text, ground, contrastOf(text, ground) >= least]).toEqual([text, ground, true]);
    }
  },
);

test('a colour that can be read as it is stays as it is', () => {
  expect(coloursOf({ colour: '#0b57c2' }).accent[0]).toBe('#0b57c2');
  expect(coloursOf({ colour: '#8ab8ff' }).accent[1]).toBe('#8ab8ff');
  expect(coloursOf(DEFAULT_BRAND).accent[0]).toBe(ACCENT);
});
