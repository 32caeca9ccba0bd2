import type { Endpoint } from '../define/endpoint.ts';

/** Who uses an operation, and what for. */
export type DocsAudience = { readonly title: string; readonly tasks: readonly DocsTask[] };
type DocsTask = { readonly title: string; readonly endpoints: readonly Endpoint[] };

type Place = { readonly audience: string; readonly task: string };

const APPS = 'App developers';
const SERVICES = 'Services that receive tokens';
const ADMINISTRATORS = 'Administrators';
const OFFICERS = 'Privacy, compliance and audit';
const OPERATORS = 'Operators';
const PAGES = 'Pages that browsers open';

/** Order of the audiences on the page. */
const AUDIENCES = [APPS, SERVICES, ADMINISTRATORS, OFFICERS, OPERATORS, PAGES];

const at = (audience: string, task: string): Place => ({ audience, task });

/** By tag, in the order of the tasks. A tag that is not listed is a task of app developers. */
const PLACES: Readonly<Record<string, Place>> = {
  'Users and sessions': at(APPS, 'Sign users up, in and out'),
  Accounts: at(APPS, 'Verify addresses, reset passwords, change accounts'),
  'Second factors': at(APPS, 'Second factors and passkeys'),
  Sessions: at(APPS, 'List and end sessions'),
  OAuth: at(APPS, 'OAuth 2 and OpenID Connect'),
  Consents: at(APPS, 'Consents to applications'),
  'API keys': at(APPS, 'API keys'),
  Agents: at(APPS, 'Agents'),
  Tokens: at(SERVICES, 'Issue, validate, refresh and revoke tokens'),
  Keys: at(SERVICES, 'Signing keys'),
  Revocations: at(SERVICES, 'Follow revocations'),
  Discovery: at(SERVICES, 'Discovery'),
  Privacy: at(OFFICERS, 'Health data'),
  Compliance: at(OFFICERS, 'Controls, reports and violations'),
  Audit: at(OFFICERS, 'The audit log'),
  Operations: at(OPERATORS, 'Health and queues'),
  Documentation: at(OPERATORS, 'Documentation'),
};

const TAGS = Object.keys(PLACES);

const isPage = ({ responses }: Endpoint): boolean =>
  Object.values(responses).some(
    (answer) => answer !== null && 'contentType' in answer && answer.contentType.startsWith('text/html'),
  );

function placeOf(endpoint: Endpoint): Place {
  const { tag, path } = endpoint;
  if (isPage(endpoint)) return at(PAGES, tag);
  if (path.startsWith('/v1/admin/') && tag !== 'Operations') return at(ADMINISTRATORS, tag);
  return PLACES[tag] ?? at(APPS, tag);
}

const orderOf = (tag: string): number => (TAGS.includes(tag) ? TAGS.indexOf(tag) : TAGS.length);

/** Operations by who uses them, then by task. */
export function docsAudiences(endpoints: readonly Endpoint[]): DocsAudience[] {
  const placed = [...endpoints]
    .sort((a, b) => orderOf(a.tag) - orderOf(b.tag) || a.path.localeCompare(b.path))
    .map((endpoint) => ({ endpoint, ...placeOf(endpoint) }));
  const byAudience = Map.groupBy(placed, ({ audience }) => audience);
  return AUDIENCES.flatMap((title) => {
    const members = byAudience.get(title);
    if (members === undefined) return [];
    const byTask = Map.groupBy(members, ({ task }) => task);
    const tasks = [...byTask].map(([task, of]) => ({ title: task, endpoints: of.map(({ endpoint }) => endpoint) }));
    return [{ title, tasks }];
  });
}
