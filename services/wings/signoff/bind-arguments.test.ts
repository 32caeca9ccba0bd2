import { hash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { bindArguments } from './bind-arguments.ts';
import { labelledArguments, shownArguments } from './shown-arguments.ts';

const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);

describe('binding arguments', () => {
  test('hashes the canonical form (RFC 8785): the order of members does not matter, every value does', () => {
    const bound = bindArguments({ b: 1.0, a: ['€', null, true], é: -0 });
    expect(bound.text).toBe('{"a":["€",null,true],"b":1,"é":0}');
    expect(bound.sha256).toBe(hash('sha256', bound.text, 'hex'));
    expect(bindArguments({ é: 0, a: ['€', null, true], b: 1 })).toEqual(bound);
    for (const altered of [{ b: 1, a: ['€', null, true] }, { b: '1', a: ['€', null, true], é: 0 }, null])
      expect(bindArguments(altered).sha256).not.toBe(bound.sha256);
  });

  test('tells apart texts that look the same, and numbers and texts', () => {
    const sha256Of = (value: unknown) => bindArguments(value).sha256;
    expect(sha256Of('\u00e9')).not.toBe(sha256Of('e\u0301'));
    expect(sha256Of(1)).not.toBe(sha256Of('1'));
    expect(bindArguments({ '\u{1f600}': 1, '\ufb33': 2 }).text).toBe('{"\u{1f600}":1,"\ufb33":2}');
    expect(bindArguments([1e-7, 1.5e15, 2 ** 53 - 1]).text).toBe('[1e-7,1500000000000000,9007199254740991]');
    const hidden = JSON.parse('{"__proto__":{"a":1},"toJSON":"x"}');
    expect(bindArguments(hidden).text).toBe('{"__proto__":{"a":1},"toJSON":"x"}');
  });

  test.each([
    ['a lone surrogate', { a: '\ud800' }],
    ['a lone surrogate in a name', { '\udc00': 1 }],
    ['an infinite number', [Number.POSITIVE_INFINITY]],
    ['an integer that JSON.parse has rounded', JSON.parse('{"amount":9007199254740993}')],
    ['a number below the least exact integer', -(2 ** 53)],
    ['no number', Number.NaN],
    ['nothing', undefined],
    ['a member without a value', { a: undefined }],
    ['a function', { a: () => 1 }],
    ['33 levels', nested(33)],
    ['more than 32 KiB', 'x'.repeat(32_768)],
  ])('refuses %s', (_what, value) => {
    expect(() => bindArguments(value)).toThrow(expect.objectContaining({ code: 'signoff_arguments_invalid' }));
  });

  test('accepts 32 levels and 32 KiB', () => {
    expect(bindArguments(nested(32)).text).toHaveLength(65);
    expect(bindArguments('x'.repeat(32_766)).text).toHaveLength(32_768);
  });
});

test('Trojan Source: characters that reorder, hide or overwrite text are shown as escapes', () => {
  expect(shownArguments({ to: 'a\u202eb\u2066\u200bc\u{e0041}' })).toBe(
    '{\n  "to": "a\\u202eb\\u2066\\u200bc\\udb40\\udc41"\n}',
  );
  expect(shownArguments('\u009b2J\u2800')).toBe('"\\u009b2J\\u2800"');
  expect(shownArguments(['é', '日本'])).toBe('[\n  "é",\n  "日本"\n]');
});

describe('arguments that a policy labels', () => {
  const given = { to: ['eu'], 'a/b': { '~': 1 }, text: 'x\nTotal: 1' };
  const labelled = (path: string, language: 'en' | 'de' = 'en') =>
    labelledArguments(given, [{ path, label: { en: 'Value', de: 'Wert' }, format: 'plain' }], language);

  test('are shown in the language of the page, in the form in which they would run', () => {
    expect(labelled('/to/0')).toEqual([{ label: 'Value', text: 'eu', format: 'plain' }]);
    expect(labelled('/to', 'de')).toEqual([{ label: 'Wert', text: '["eu"]', format: 'plain' }]);
    expect(labelled('/a~1b/~0')).toEqual([{ label: 'Value', text: '1', format: 'plain' }]);
  });

  test('show no line of their own, and none that is not among the arguments', () => {
    expect(labelled('/text')[0]?.text).toBe('"x\\nTotal: 1"');
    for (const path of ['/constructor', '/to/length', '/__proto__', '/none', '/text/0'])
      expect(labelled(path)).toEqual([]);
  });
});
