import { expect, test } from 'vitest';
import { readChildMessage } from './protocol.ts';

test.each([null, undefined, 'ready', 7, [], {}, { type: 'other' }, { type: 1 }])(
  '%j from a child is ignored',
  (message) => {
    expect(readChildMessage(message)).toBeUndefined();
  },
);

test('a fatal message always has its three texts, whatever the child left out', () => {
  expect(readChildMessage({ type: 'fatal', code: 'x' })).toEqual({ type: 'fatal', code: 'x', message: '', fix: '' });
});

test('ready and restarted are read without what else they carry', () => {
  expect(readChildMessage({ type: 'ready', extra: 1 })).toEqual({ type: 'ready' });
  expect(readChildMessage({ type: 'restarted', name: 'api-2' })).toEqual({ type: 'restarted', name: 'api-2' });
});
