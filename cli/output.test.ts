import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
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

test('messages name the command that started the package', () => {
  const { say } = createOutput({}, { SALLYPORT_COMMAND: '/a/sallyport' });
  expect(written(() => say('run npx sallyport doctor')).err).toBe('sallyport: run /a/sallyport doctor\n');
});

test('Trojan Source: a name that another person chose reaches the terminal as escapes, and JSON with its meaning', () => {
  const page = { items: ['a\u202eb\u001b[1m\u009b2J'], next: null };
  const shown = 'a\\u202eb\\u001b[1m\\u009b2J';
  expect(written(() => listPage(createOutput({}), 'things', page, String)).out).toBe(`${shown}\n`);
  expect(written(() => createOutput({}).lines(page.items)).out).toBe(`${shown}\n`);
  expect(written(() => createOutput({}).say(page.items[0] as string)).err).toBe(`sallyport: ${shown}\n`);
  for (const print of [
    () => listPage(createOutput({ json: true }), 'things', page, String),
    () => createOutput({ json: true }).json({ things: page.items, next: null }),
  ]) {
    const { out } = written(print);
    expect(out).not.toMatch(/[\u202e\u009b]/u);
    expect(JSON.parse(out)).toEqual({ things: page.items, next: null });
  }
});

test('bold text is bold on a terminal, with no other escape sequence', () => {
  Object.defineProperty(process.stdout, 'isTTY', { value: true, configurable: true });
  onTestFinished(() => void Reflect.deleteProperty(process.stdout, 'isTTY'));
  const output = createOutput({}, { TERM: 'xterm' });
  const text = `${output.bold('ok')} \u001b[2J`;
  expect(written(() => output.lines([text])).out).toBe('\u001b[1mok\u001b[22m \\u001b[2J\n');
});

test('a list prints its lines, and how to get the next page', () => {
  const page = { items: ['a', 'b'], next: 'c' };
  expect(written(() => listPage(createOutput({}), 'things', page, (item) => `- ${item}`))).toEqual({
    out: '- a\n- b\n',
    err: 'sallyport: next page: --cursor c\n',
  });
  for (const whole of [{ items: ['a'] }, { items: ['a'], next: null }])
    expect(written(() => listPage(createOutput({}), 'things', whole, String))).toEqual({ out: 'a\n', err: '' });
});
