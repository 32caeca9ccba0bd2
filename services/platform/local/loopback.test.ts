import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { loopbackFileOf, loopbackNameOf, loopbackOf } from './loopback.ts';

let dataDir: string;
beforeEach(() => {
  dataDir = testFolder(onTestFinished);
});

test('localhost means both loopback addresses, and any other host itself', () => {
  expect([loopbackOf('localhost'), loopbackOf('127.0.0.1')]).toEqual([['127.0.0.1', '::1'], ['127.0.0.1']]);
  expect(loopbackOf('0.0.0.0')).toEqual(['0.0.0.0']);
});

test('a new data directory names this machine localhost, also after its first start', () => {
  expect(loopbackNameOf(dataDir)).toBe('localhost');
  writeFileSync(join(dataDir, 'dev-credentials.json'), '{}');
  expect(loopbackNameOf(dataDir)).toBe('localhost');
});

test.each(['dev-credentials.json', 'marks.json'])(
  'a data directory in which an earlier version has issued tokens (%s) keeps 127.0.0.1 until an operator changes it',
  (file) => {
    writeFileSync(join(dataDir, file), '{}');
    expect(loopbackNameOf(dataDir)).toBe('127.0.0.1');
    writeFileSync(loopbackFileOf(dataDir), 'localhost\n');
    expect(loopbackNameOf(dataDir)).toBe('localhost');
  },
);
