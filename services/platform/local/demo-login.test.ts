import { writeFile } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { credentialsFileOf, readDemoLogin } from './demo-login.ts';

test('the demo login is read from the file of a start, and a missing or broken file has none', async () => {
  const folder = testFolder(onTestFinished);
  const file = credentialsFileOf(folder);
  expect(readDemoLogin(file)).toBeUndefined();
  const user = { email: 'demo@example.test', password: 'x' };
  for (const broken of ['', '{', '{}', '{"user":{"email":"a@b.test"}}', 'null'])
    expect([broken, await writeFile(file, broken), readDemoLogin(file)]).toEqual([broken, undefined, undefined]);
  await writeFile(file, JSON.stringify({ user: { ...user, other: 1 }, admin: { password: 'y' } }));
  expect(readDemoLogin(file)).toEqual(user);
});
