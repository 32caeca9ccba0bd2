import { useCan } from '../data/session.tsx';
import { useWords } from '../fold/words.ts';
import { Id } from './format.tsx';

/** Pages of what others name, with the permission that opens them. */
const PAGES: Readonly<Record<string, readonly [path: string, permission: string]>> = {
  user: ['people', 'users:read'],
  client: ['clients', 'clients:read'],
  agent: ['agents', 'agents:read'],
  incident: ['incidents', 'incidents:read'],
};
/** Members that name another thing, by its kind. */
const KINDS: Readonly<Record<string, string>> = { user_id: 'user', owner_id: 'user', client_id: 'client' };

type Named = { readonly kind: string; readonly id: string };

/** What a value names, if it is an id of another thing: `user:1`, `{ kind, id }` or a member such as `user_id`. */
function refOf(name: string, value: unknown): Named | undefined {
  const kind = KINDS[name];
  if (kind !== undefined && typeof value === 'string') return { kind, id: value };
  if (typeof value === 'string') {
    // Only what the server itself writes as kind and id: a name or a reason is text, whatever it looks like.
    if (!/_by$|^(?:owner|subject)$/.test(name)) return undefined;
    const [, of, id] = /^(user|client|agent):(.+)$/.exec(value) ?? [];
    return of === undefined || id === undefined ? undefined : { kind: of, id };
  }
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('id' in value)) return undefined;
  const { kind: of, id } = value as { readonly kind: unknown; readonly id: unknown };
  return typeof of === 'string' ? { kind: of, id: typeof id === 'string' ? id : '–' } : undefined;
}

/** Somebody or something by its id, with a link to its page if the reader may open it. */
function Ref({ kind, id }: Named) {
  const can = useCan();
  const words = useWords('kind');
  const [path, permission] = (Object.hasOwn(PAGES, kind) ? PAGES[kind] : undefined) ?? [];
  const isLink = path !== undefined && can(permission);
  return (
    <span>
      {words.value(kind)}{' '}
      {isLink ? (
        <a href={`/console/${path}/${encodeURIComponent(id)}`}>
          <Id>{id}</Id>
        </a>
      ) : (
        <Id>{id}</Id>
      )}
    </span>
  );
}

/** Whom or what a value names, as a link; undefined for a value that names nothing. */
export function refTo(name: string, value: unknown) {
  const named = refOf(name, value);
  return named === undefined ? undefined : <Ref {...named} />;
}
