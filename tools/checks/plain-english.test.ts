import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createProgram } from '#cli/program.ts';
import { jobs } from '#jobs/schedules.ts';
import { collectEndpoints } from '../catalog/collect.ts';
import { sourceFiles } from './test-titles.ts';

const root = resolve(import.meta.dirname, '../..');

/** Words that hide the actor. Name the user, client, operator, administrator, caller or attacker instead. */
const DIALECT = /\b(nobody|whoever|somebody|whom)\b/i;
/** The Unix user. */
const UNIX_USER = /(['"`])nobody\1/g;
/** A rare sentence needs such a word. */
const DIALECT_LINES_MAX = 8;
/** Imperative verbs that a summary may begin with. Add a verb here; do not begin with a noun. */
const VERBS = new Set(
  `accept acknowledge activate add allow answer append apply approve ask assign authenticate authorize begin cancel
    change check choose clean close complete confirm continue convert count create decrypt delete deliver deny describe
    destroy detect disable discover download drain drop enable encrypt end enqueue enrol erase evaluate exchange explain
    export fetch find finish generate get give grant import inspect introspect invite issue keep kill link list load lock log
    mail make mark measure migrate obtain open pause predict print process promote prove provide publish purge push read receive
    redeem redirect refresh register reissue remove rename render renew replace report request resend reset resolve
    restart restore resume retry return review revoke rewrap rotate run seal search seed send serve set show sign start
    step stop store stream submit switch tail test thin trim undo unlink unlock update upload validate verify view watch
    withdraw write`.split(/\s+/),
);

/** Summaries that are nouns because operators search for exactly these words. */
const NOUNS = new Set(['Liveness probe', 'Readiness probe']);

const isSummary = (text: string): boolean =>
  NOUNS.has(text) || (VERBS.has((/^[A-Za-z]+(?=[ ,-]|$)/.exec(text)?.[0] ?? '').toLowerCase()) && !text.endsWith('.'));

describe('plain English', () => {
  test('prose and comments name the actor', () => {
    const files = [
      'README.md',
      'CONTRIBUTING.md',
      ...sourceFiles(root, '{services,observability,cli,jobs}/**/*.*'),
      ...sourceFiles(root, 'docs/**/*.md').filter((file) => !file.startsWith('docs/reference/')),
    ].filter((file) => !/\.(gz|ico|png|webp|woff2)$/.test(file));
    const found = files.flatMap((file) =>
      readFileSync(join(root, file), 'utf8')
        .split('\n')
        .flatMap((line, at) =>
          DIALECT.test(line.replaceAll(UNIX_USER, '')) ? [`${file}:${at + 1}: ${line.trim()}`] : [],
        ),
    );
    expect(files.length).toBeGreaterThan(500);
    expect(found.length, found.join('\n')).toBeLessThan(DIALECT_LINES_MAX);
  });

  test('a summary begins with an imperative verb and has no full stop', async () => {
    const commands = (command: Awaited<ReturnType<typeof createProgram>>): [string, string][] =>
      command.commands.flatMap((child) =>
        child.commands.length === 0
          ? [[`${command.name()} ${child.name()}`, child.description()]]
          : commands(child as typeof command),
      );
    const summaries: [string, string][] = [
      ...(await collectEndpoints()).map(({ method, path, summary }): [string, string] => [
        `${method} ${path}`,
        summary,
      ]),
      ...jobs.map(({ name, meaning }): [string, string] => [name, meaning]),
      ...commands(await createProgram()),
    ];
    const wrong = summaries.filter(([, text]) => !isSummary(text)).map(([name, text]) => `${name}: ${text}`);
    expect(summaries.length).toBeGreaterThan(150);
    expect(wrong).toEqual([]);
  });

  test.each([
    ['Create a role', true],
    ['sign out', true],
    ['Re-encrypt keys', false],
    ['Liveness probe', true],
    ['Create a role.', false],
    ['Whether the process lives', false],
    ['The account of the caller', false],
    ['', false],
  ])('%j is a summary: %s', (text, expected) => expect(isSummary(text)).toBe(expected));
});
