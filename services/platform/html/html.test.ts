import { expect, test } from 'vitest';
import { html, raw } from './html.ts';

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
