import { expect, test } from 'vitest';
import { readChildMessage } from './protocol.ts';

test.each([null, undefined, 'ready', 7, [], {}, { type: 'other' }, { type: 1 }])(
  '%j from a child is ignored',
  (message) => expect(readChildMessage(message)).toBeUndefined(),
);

test('a fatal message always has its three texts, even if the child left some out', () =>
  expect(readChildMessage({ type: 'fatal', code: 'x' })).toEqual({ type: 'fatal', code: 'x', message: '', fix: '' }));

test('ready is read without its extra members', () =>
  expect(readChildMessage({ type: 'ready', extra: 1 })).toEqual({ type: 'ready' }));
