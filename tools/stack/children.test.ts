import { expect, test } from 'vitest';
import { createChildren } from './children.ts';

test('what runs is ended, and nothing is started after that', async () => {
  const children = createChildren(() => undefined);
  const { process: child } = children.start('sleeper', process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  await new Promise((started) => child.once('spawn', started));
  await children.stop();
  expect(child.signalCode).toBe('SIGTERM');
  expect(() => children.start('late', process.execPath, ['-e', ''])).toThrow('not started');
});
