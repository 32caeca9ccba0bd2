import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const LITERAL = /^(?:export )?const ([a-z]\w*)(?:: \w+)? = (?:-?[\d_.]+(?: \* [\d_.]+)*|'[^']*')(?: as const)?;$/gm;

const sources = (): string[] =>
  execFileSync('git', ['ls-files', '*.ts'], { cwd: ROOT, encoding: 'utf8' })
    .split('\n')
    .filter(
      (file) => file !== '' && !/\.test\.ts$|harness|^tools\/testing\/|^load-tests\/(scenarios|lib)\//.test(file),
    );

test('a constant number or text of a module is named in capitals', () => {
  const lowerCase = sources().flatMap((file) =>
    [...readFileSync(resolve(ROOT, file), 'utf8').matchAll(LITERAL)].map(([, name]) => `${file}: ${name}`),
  );
  expect(lowerCase).toEqual([]);
});
