import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createProgram } from '#cli/program.ts';

const program = await createProgram();
const root = resolve(import.meta.dirname, '../..');
const pages = globSync(['README.md', 'docs/{runbooks,how-to,explanation}/*.md', '{cli,services,jobs}/**/*.ts'], {
  cwd: root,
  exclude: (path) => /generated|(\.test|-harness)\.ts$/.test(path),
});

/** Every complete `npx sallyport …` command in a page or in a message of the product. */
const commands = new Set(
  pages.flatMap((page) =>
    [...readFileSync(join(root, page), 'utf8').matchAll(/npx sallyport ([a-z][^`\n|)';$…]+)/g)].map(([, words]) =>
      (words as string).replaceAll(/"[^"]*"|'[^']*'/g, 'x').trim(),
    ),
  ),
);

/** The help of the verbs with which a command begins; an argument among them is skipped. */
function helpOf(verbs: readonly string[]): string {
  let found = program;
  for (const verb of verbs) found = found.commands.find((command) => command.name() === verb) ?? found;
  return found.helpInformation();
}

/** Options that every verb has. */
const everywhere = ['--json', '--quiet', '--yes', '--dry-run'];

describe('commands in runbooks and guides', () => {
  test('there are some', () => expect(commands.size).toBeGreaterThan(10));

  test.each([...commands])('npx sallyport %s', (command) => {
    const words = command.split(/\s+/);
    const verbs = words.slice(0, words.findIndex((word) => !/^[a-z]+\d*(-[a-z]+)*$/.test(word)) >>> 0).slice(0, 3);
    const help = helpOf(verbs);
    // If an argument stands in place of a second or third verb, the help is that of the verbs before it.
    const usages = verbs.map((_, at) => `Usage: sallyport ${verbs.slice(0, at + 1).join(' ')} `);
    expect(verbs.length === 0 || usages.some((usage) => help.startsWith(usage))).toBe(true);
    for (const option of words.filter((word) => word.startsWith('-') && word !== '-' && !everywhere.includes(word)))
      expect(help, option).toMatch(new RegExp(`(^|[\\s,])${option}[\\s,]`, 'm'));
  });
});
