import { expect, test } from 'vitest';
import { sourceFile } from './source.ts';

test.each([
  ' mongodb://reader:hunter2@db.example.com/app',
  'mongodb:/reader:hunter2@db.example.com/app',
  'mongo://reader:hunter2@db.example.com/app',
  'MongoDB+srv:reader:hunter2',
  'reader:hunter2@db.example.com/app',
])('a URL that is mistyped is refused and not repeated: %s', async (path) => {
  const refused = await sourceFile(path).catch((err: unknown) => err);
  expect(refused).toMatchObject({ exitCode: 2, fix: expect.stringContaining('mongodb://user@host:27017/database') });
  const { message, fix, cause } = refused as {
    readonly message: string;
    readonly fix: string;
    readonly cause: unknown;
  };
  expect(message + fix + String(cause)).not.toMatch(/hunter2|db\.example/);
});

test('a file that is not there is named', () =>
  expect(sourceFile('/nowhere/users.csv')).rejects.toMatchObject({
    exitCode: 2,
    message: '/nowhere/users.csv cannot be read',
  }));
