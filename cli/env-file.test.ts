import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { testFolder } from '#tools/testing/test-folder.ts';
import { readEnvFile } from './env-file.ts';

let root: string;
beforeEach(() => {
  root = testFolder(onTestFinished);
});

const write = (text: string, name = '.env'): string => {
  writeFileSync(join(root, name), text);
  return join(root, name);
};

describe('.env', () => {
  test('sets only variables that are not set, and returns the path of the file', () => {
    const path = write(
      '# a comment\n\nexport PORT=3100\r\nHOST = 0.0.0.0 # all\nMAIL_FROM="Ann <a@example.test>"\nEMPTY=\n',
    );
    const env: NodeJS.ProcessEnv = { PORT: '3200' };
    expect(readEnvFile(env, root)).toBe(path);
    expect(env).toEqual({ PORT: '3200', HOST: '0.0.0.0', MAIL_FROM: 'Ann <a@example.test>', EMPTY: '' });
  });

  test('a quoted value may span several lines', () => {
    write("CERT='one\ntwo # no comment\n'\nPORT=1");
    const env: NodeJS.ProcessEnv = {};
    readEnvFile(env, root);
    expect(env).toEqual({ CERT: 'one\ntwo # no comment\n', PORT: '1' });
  });

  test('a file of a Windows editor, with its line ends and byte order mark, means the same', () => {
    const lines = [
      '# a comment',
      '',
      'export PORT=3100',
      'HOST = 0.0.0.0 # all',
      'A="two words"',
      "B='c'",
      'EMPTY=',
      '',
    ];
    const read = (text: string): NodeJS.ProcessEnv => {
      write(text);
      const env: NodeJS.ProcessEnv = {};
      readEnvFile(env, root);
      return env;
    };
    const expected = { PORT: '3100', HOST: '0.0.0.0', A: 'two words', B: 'c', EMPTY: '' };
    expect([read(lines.join('\n')), read(`\uFEFF${lines.join('\r\n')}`)]).toEqual([expected, expected]);
  });

  test('an absent file changes nothing', () => {
    const env: NodeJS.ProcessEnv = { PORT: '1' };
    expect(readEnvFile(env, root)).toBeUndefined();
    expect(env).toEqual({ PORT: '1' });
  });

  test.each([
    ['a word without a value', 'PORT=1\nKEY_ENCRYPTION_KEY s3cret-value\n', 2],
    ['a quote that never ends', 'PORT=1\n\n# x\nJWT_SECRET="s3cret-value\n', 4],
    ['an invalid name', '3PORT=s3cret-value\n', 1],
    ['something after the quotes', "A='one\ntwo'\nB='three' s3cret-value\n", 3],
  ])('refuses the file for %s, naming the line and setting and showing nothing', (_what, text, line) => {
    write(text);
    const env: NodeJS.ProcessEnv = {};
    expect(() => readEnvFile(env, root)).toThrow(new RegExp(`^line ${line} of \\S+\\.env is not a setting$`));
    expect(() => readEnvFile(env, root)).not.toThrow(/s3cret/);
    expect(env).toEqual({});
  });

  test('SALLYPORT_ENV_FILE names another file, which must exist; an empty value means no file', () => {
    write('PORT=1\n');
    const other = write('PORT=2\n', 'staging.env');
    const env: NodeJS.ProcessEnv = { SALLYPORT_ENV_FILE: other };
    expect(readEnvFile(env, root)).toBe(other);
    expect(env.PORT).toBe('2');
    expect(readEnvFile({ SALLYPORT_ENV_FILE: '' }, root)).toBeUndefined();
    expect(() => readEnvFile({ SALLYPORT_ENV_FILE: join(root, 'gone.env') }, root)).toThrow(/cannot read .*ENOENT/);
  });

  test('a folder of that name is refused', () => {
    mkdirSync(join(root, '.env'));
    expect(() => readEnvFile({}, root)).toThrow(/cannot read .*EISDIR/);
  });
});
