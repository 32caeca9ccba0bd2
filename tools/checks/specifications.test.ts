import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { openIdConfiguration } from '#services/core/access/server-metadata.ts';
import { backchannelGrant } from '#services/wings/signoff/backchannel/redeem-backchannel.ts';
import { collectEndpoints } from '../catalog/collect.ts';
import { testTitles } from './test-titles.ts';

const PAGE = 'docs/reference/specifications.md';
const root = resolve(import.meta.dirname, '../..');
const text = readFileSync(join(root, PAGE), 'utf8');

/** The document of a server with every optional feature enabled. */
const metadata: Readonly<Record<string, unknown>> = openIdConfiguration({
  issuer: 'https://i.test',
  publicUrl: 'https://i.test',
  bindsCertificates: true,
  certificateAuthorities: { exist: true },
  access: { client: () => undefined, publishedScopes: () => ['keys:read'], publishedDetailTypes: () => ['payment'] },
  clientSettings: { registration: 'open', readsDocuments: true },
  keyRing: { list: () => [{ alg: 'RS256', state: 'active' }] },
  grants: [backchannelGrant],
} as unknown as Parameters<typeof openIdConfiguration>[0]);

const clausesIn = (words: string): string[] => words.match(/§\d+(?:\.\d+)*/g) ?? [];

const rows = [...text.matchAll(/^\| (?!Specification|---)(.+?) \| (\w+) \| (.+) \|$/gm)].map(
  ([, name, state, what]) => ({
    name: name as string,
    state: state as string,
    clauses: clausesIn(what as string),
    spans: [...(what as string).matchAll(/`([^`]+)`/g)].map(([, span]) => span as string),
  }),
);

/** `member`, or `member: value, value`. */
function faultOf(span: string): string | null {
  const [member = '', values] = span.split(': ', 2);
  if (!(member in metadata) && !/_(supported|endpoint)$/.test(member)) return null;
  const value = metadata[member] ?? false;
  if (values === 'false') return value === false ? null : `${member} is ${JSON.stringify(value)}`;
  if (value === false || (Array.isArray(value) && value.length === 0)) return `${member} is not there`;
  if (values === undefined) return null;
  return JSON.stringify(value) === JSON.stringify(values.split(', ')) ? null : `${member} is ${JSON.stringify(value)}`;
}

test('the check reports a member that is missing, refused or has another value', () => {
  expect(faultOf('token_endpoint')).toBeNull();
  expect(faultOf('a word')).toBeNull();
  expect(faultOf('response_types_supported: code')).toBeNull();
  expect(faultOf('response_types_supported: code, token')).toContain('["code"]');
  expect(faultOf('frontchannel_logout_supported: false')).toBeNull();
  expect(faultOf('frontchannel_logout_supported')).toContain('not there');
  expect(faultOf('check_session_endpoint')).toContain('not there');
  expect(faultOf('authorization_response_iss_parameter_supported: false')).toContain('true');
});

test.each(rows)('$name: the metadata says the same', ({ state, spans }) => {
  expect(spans.map(faultOf).filter((fault) => fault !== null)).toEqual([]);
  // What is refused as a whole has no member that says otherwise.
  expect(['Yes', 'Partly', 'No']).toContain(state);
  if (state === 'No') for (const span of spans) expect(metadata[span] ?? false).toBe(false);
});

test('every member of the metadata is on the page', () => {
  const named = new Set(rows.flatMap(({ spans }) => spans.map((span) => span.split(': ', 1)[0])));
  expect(Object.keys(metadata).filter((member) => !named.has(member))).toEqual([]);
});

test('every path on the page is one of the API', async () => {
  const paths = new Set((await collectEndpoints()).map(({ method, path }) => `${method} ${path}`));
  const shown = [...text.matchAll(/`((?:GET|POST) \/[^`]+)`/g)].map(([, path]) => path as string);
  expect(shown.length).toBeGreaterThan(1);
  expect(shown.filter((path) => !paths.has(path))).toEqual([]);
});

test('every document of discovery that the API serves is on the page', async () => {
  const served = (await collectEndpoints()).filter(({ path }) => path.startsWith('/.well-known/'));
  expect(served.length).toBeGreaterThan(4);
  expect(served.filter(({ path }) => !text.includes(`\`GET ${path}\``)).map(({ path }) => path)).toEqual([]);
});

/** `- **name of a row**`, and below it `  - §1.2: ` (if it is about clauses) and the file and title of a test. */
const proofsIn = (page: string) =>
  [...page.matchAll(/^- \*\*(.+)\*\*\n((?: {2}- .+\n)+)/gm)].map(([, name, lines]) => ({
    name: name as string,
    clauses: [...(lines as string).matchAll(/^ {2}- (§[^:]+): /gm)].flatMap(([, named]) => clausesIn(named as string)),
    tests: [...(lines as string).matchAll(/^ {2}- (?:§[^:]+: )?`([^`]+)`: (.+)$/gm)].map(
      ([, file, title]) => `${file}: ${title}`,
    ),
    lines: (lines as string).trimEnd().split('\n').length,
  }));
const titles = new Set(testTitles(root).map(({ file, title }) => `${file}: ${title}`));

/** What is wrong with the proofs of the rows in the sections that have proofs. */
function faultsIn(page: string, known: ReadonlySet<string>): string[] {
  const proofs = proofsIn(page);
  const section = /^## Factors\n(.*?)^## Tests /ms.exec(page)?.[1] ?? '';
  const proved = rows.filter(({ name }) => section.includes(`| ${name} |`));
  return [
    ...proofs.flatMap(({ name, tests, lines }) => [
      ...(proved.some((row) => row.name === name) ? [] : [`${name} is no row`]),
      ...(tests.length === lines ? [] : [`${name}: a line that names no test`]),
      ...tests.filter((each) => !known.has(each)).map((each) => `${name}: no test ${each}`),
    ]),
    ...proved.flatMap(({ name, clauses }) => {
      const proof = proofs.find((each) => each.name === name);
      if (proof === undefined) return [`${name}: no test`];
      const claimed = new Set(clauses);
      return [
        ...[...claimed].filter((each) => !proof.clauses.includes(each)).map((each) => `${name}: no test of ${each}`),
        ...proof.clauses.filter((each) => !claimed.has(each)).map((each) => `${name}: ${each} is not in its row`),
      ];
    }),
  ];
}

test('each row of factors, logs, telemetry and images has a test, and so has each clause that it names', () => {
  expect(proofsIn(text).length).toBeGreaterThan(9);
  expect(faultsIn(text, titles)).toEqual([]);
});

test('a test that is gone, a clause without one, and a row without any are reported', () => {
  const first = [...titles].find((each) => text.includes(each.replace(': ', '`: ')));
  expect(faultsIn(text, new Set([...titles].filter((each) => each !== first)))).not.toEqual([]);
  expect(faultsIn(text.replace('  - §6.1.1: ', '  - '), titles)).toEqual([
    'Web Authentication Level 3: no test of §6.1.1',
  ]);
  expect(faultsIn(text.replace('  - §6.1.1: ', '  - §6.1.1, §9: '), titles)).toEqual([
    'Web Authentication Level 3: §9 is not in its row',
  ]);
  expect(faultsIn(text.replace('- **OTLP 1**', '- **OTLP 9**'), titles)).toEqual([
    'OTLP 9 is no row',
    'OTLP 1: no test',
  ]);
  expect(faultsIn(text.replace('`tools/image/image.test.ts`: ', ''), titles)).toEqual([
    'CycloneDX 1.5: a line that names no test',
  ]);
});
