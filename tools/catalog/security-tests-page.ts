import type { TestTitle } from '../checks/test-titles.ts';
import { page, table } from './pages.ts';

/** An advisory of a peer that is near to us and reaches nothing that the product has, so no test can repeat it. */
export type UntestedAdvisory = {
  readonly id: string;
  readonly peer: string;
  /** What went wrong at the peer, in one sentence without full stop. */
  readonly fault: string;
  /** Why it cannot happen here, in one sentence without full stop. */
  readonly why: string;
};

/** An advisory of a peer that a test repeats here. */
export type TestedAdvisory = Omit<UntestedAdvisory, 'why'> & { readonly guarantee: string; readonly file: string };

const ID = /^(?:CVE-20\d\d-\d{4,}|GHSA(?:-[23456789cfghjmpqrvwx]{4}){3})$/;
/** The title of such a test: `refuses … (CVE-2024-1234, Keycloak: what went wrong there)`. */
const TITLE = /^(?<guarantee>.+) \((?<id>[^\s,()]+), (?<peer>[^:()]+): (?<fault>.+)\)$/;

/** The advisories that the titles of tests name. */
export const testedAdvisories = (titles: readonly TestTitle[]): TestedAdvisory[] =>
  titles.flatMap(({ file, title, within }) => {
    const parts = TITLE.exec(title)?.groups as Omit<TestedAdvisory, 'file'> | undefined;
    if (!parts || !ID.test(parts.id)) return [];
    return [{ ...parts, guarantee: [...within, parts.guarantee].join(' › '), file }];
  });

/** A guarantee without the places where a title of several cases names the case. */
const withoutForms = (guarantee: string): string =>
  guarantee.replace(/: (?:it )?%[soj]$/, '').replace(/%[sojdi]/g, '…');

const link = (id: string): string =>
  `[${id}](${id.startsWith('CVE') ? `https://www.cve.org/CVERecord?id=${id}` : `https://github.com/advisories/${id}`})`;
const byPeer = (a: { peer: string; id: string }, b: { peer: string; id: string }): number =>
  a.peer.localeCompare(b.peer, 'en') || a.id.localeCompare(b.id, 'en');

/** `docs/explanation/security-tests.md`: how attacks are tested, and what the advisories of peers taught. */
export function securityTestsPage(tested: readonly TestedAdvisory[], untested: readonly UntestedAdvisory[]): string {
  const ids = [...tested, ...untested].map(({ id }) => id);
  const twice = ids.filter((id, at) => ids.indexOf(id) !== at);
  if (twice.length > 0) throw new Error(`advisories with two answers: ${twice.join(', ')}`);

  const body = [
    'The attacks run against a whole API in `services/api/attacks`: forged tokens, hostile requests and values, every route × every role × another user’s object. The pages are tested in a real Chromium (`services/pages/pages-in-browser.all.test.ts`): its console stays free of content security policy violations, in light and dark, narrow and wide, with and without JavaScript.',
    '',
    '## Advisories of peers',
    '',
    `Other servers and libraries of authentication published how they were broken. ${tested.length} of the ${ids.length} advisories nearest to us are tests here: each was seen to fail once, with the fault of the peer planted in this product.`,
    '',
    table(
      ['peer', 'advisory', 'what went wrong there', 'what is tested here', 'file'],
      [...tested]
        .sort(byPeer)
        .map(({ peer, id, fault, guarantee, file }) => [
          peer,
          link(id),
          fault,
          withoutForms(guarantee),
          `[${file.slice(file.lastIndexOf('/') + 1)}](../../${file})`,
        ]),
    ),
    '',
    '### Without a test',
    '',
    table(
      ['peer', 'advisory', 'what went wrong there', 'why it cannot happen here'],
      [...untested].sort(byPeer).map(({ peer, id, fault, why }) => [peer, link(id), fault, why]),
    ),
    '',
    'The titles of the tests make the first table: a title ends with the id, the peer and what went wrong there. `tools/catalog/untested-advisories.json` has the second.',
    '',
    '## Fuzzing',
    '',
    '`npm run fuzz` starts the product, reads the demo credentials and lets Schemathesis (from PyPI, kept under `.sallyport/`) send valid and invalid requests to every documented operation: without a credential, as each role, with a browser session, an API key and a client. It fails on server errors, on statuses, content types, headers and bodies that the contract does not list, and when a credential of the run no longer works at the end. It needs Python 3 and PyPI, so `npm test` does not run it.',
  ].join('\n');
  return page(
    'Security tests',
    'The [page of requirements](requirement-ids.md) names every guarantee against an attack, its source and the tests that prove it: J (tokens), T (OAuth and revocation), D and M (bound tokens), R and A (the interface), U (accounts and sessions), W (pages), L (logs), V (the audit log).',
    body,
  );
}
