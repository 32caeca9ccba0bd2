import { afterEach, expect, test, vi } from 'vitest';
import { listPage } from './admin.ts';
import { createOutput } from './output.ts';

afterEach(() => vi.restoreAllMocks());

function written(work: () => void): { out: string; err: string } {
  const text = { out: '', err: '' };
  for (const [name, stream] of [
    ['out', process.stdout],
    ['err', process.stderr],
  ] as const)
    vi.spyOn(stream, 'write').mockImplementation((part) => {
      text[name] += part;
      return true;
    });
  work();
  vi.restoreAllMocks();
  return text;
}

test('an empty list says so, and writes no empty line', () => {
  const empty = { items: [], next: null };
  expect(written(() => listPage(createOutput({}), 'api_keys', empty, String))).toEqual({
    out: '',
    err: 'sallyport: no api keys\n',
  });
  expect(written(() => listPage(createOutput({ json: true, quiet: true }), 'api_keys', empty, String))).toEqual({
    out: '{"api_keys":[],"next":null}\n',
    err: '',
  });
});

test('a list prints its lines, and how to get the next page', () => {
  const page = { items: ['a', 'b'], next: 'c' };
  expect(written(() => listPage(createOutput({}), 'things', page, (item) => `- ${item}`))).toEqual({
    out: '- a\n- b\n',
    err: 'sallyport: next page: --cursor c\n',
  });
});
