import { type Endpoint, isPage } from '#services/platform/define/endpoint.ts';
import { TAGS } from '#services/platform/define/tags.ts';

/** Who uses an operation, and what for. */
export type DocsAudience = { readonly title: string; readonly tasks: readonly DocsTask[] };
type DocsTask = { readonly title: string; readonly endpoints: readonly Endpoint[] };

type Place = { readonly audience: string; readonly task: string };

const ADMINISTRATORS = TAGS.Users.audience;
const PAGES = 'Pages that browsers open';

const ORDER = Object.keys(TAGS);
const AUDIENCES = [...new Set(Object.values(TAGS).map(({ audience }) => audience)), PAGES];

const at = (audience: string, task: string): Place => ({ audience, task });

function placeOf(endpoint: Endpoint): Place {
  const { tag, path } = endpoint;
  if (isPage(endpoint)) return at(PAGES, tag);
  if (path.startsWith('/v1/admin/') && tag !== 'Operations') return at(ADMINISTRATORS, tag);
  return at(TAGS[tag].audience, TAGS[tag].description);
}

/** Operations by who uses them, then by task. */
export function docsAudiences(endpoints: readonly Endpoint[]): DocsAudience[] {
  const placed = [...endpoints]
    .sort((a, b) => ORDER.indexOf(a.tag) - ORDER.indexOf(b.tag) || a.path.localeCompare(b.path))
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
