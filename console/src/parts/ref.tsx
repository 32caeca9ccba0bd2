import { useNamed } from '../data/refs.ts';
import { useCan } from '../data/session.tsx';
import { visibleText } from '../data/visible-text.ts';
import { useWords } from '../fold/words.ts';
import { common } from '../texts/common.ts';
import { useTexts } from '../texts/languages.ts';
import { CopyButton } from './copy.tsx';
import { Foreign, Id } from './format.tsx';

/** Pages of what others name, with the permission that opens them. */
const PAGES: Readonly<Record<string, readonly [path: string, permission: string]>> = {
  user: ['people/', 'users:read'],
  client: ['clients/', 'clients:read'],
  agent: ['agents/', 'agents:read'],
  role: ['roles/', 'roles:read'],
  api_key: ['api-keys/', 'api_keys:read'],
  incident: ['incidents/', 'incidents:read'],
  event: ['audit/', 'audit:read'],
  trace: ['audit?trace=', 'audit:read'],
};
/** Members that name another thing, by its kind; `undefined` for one of any kind. */
export const KINDS: Readonly<Record<string, string | undefined>> = {
  user_id: 'user',
  owner_id: 'user',
  client_id: 'client',
  client: 'client',
  actor: undefined,
  target: undefined,
};

type Named = { readonly kind: string; readonly id: string | null };

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
  return typeof of === 'string' ? { kind: of, id: typeof id === 'string' ? id : null } : undefined;
}

/** What it is called, as text; its id as long as that is not known. */
export function Name({ kind, id }: Named) {
  const words = useWords('kind');
  const texts = useTexts(common);
  const ref = useNamed(kind, id);
  if (kind === 'user' && ref?.exists === false) return <>{texts.deletedUser}</>;
  if (ref?.exists === true) return <Foreign>{visibleText(ref.label.trim() || ref.id)}</Foreign>;
  return (
    <>
      {words.value(kind)}
      {id === null ? null : (
        <>
          {' '}
          <Id>{visibleText(id)}</Id>
        </>
      )}
    </>
  );
}

/** Where the page of a thing is; undefined without one, or without the permission that opens it. */
export function useAddressOf(): (kind: string, id: string | null) => string | undefined {
  const can = useCan();
  return (kind, id) => {
    const [path, permission] = (Object.hasOwn(PAGES, kind) ? PAGES[kind] : undefined) ?? [];
    return path && id !== null && can(permission) ? `/console/${path}${encodeURIComponent(id)}` : undefined;
  };
}

/** A person or thing by its name, with a link to its page if the reader may open it, and its owner. */
export function Ref({ kind, id }: Named) {
  const texts = useTexts(common);
  const ref = useNamed(kind, id);
  const address = useAddressOf()(kind, id);
  return (
    <span class="above" title={id ?? undefined}>
      {address !== undefined && ref?.exists !== false ? (
        <a href={address}>
          <Name kind={kind} id={id} />
        </a>
      ) : (
        <Name kind={kind} id={id} />
      )}
      {ref?.exists !== false ? null : kind === 'user' ? <CopyButton text={ref.id} /> : ` (${texts.deleted})`}
      {ref?.owner ? (
        <>
          , {texts.ownedBy} <Name {...ref.owner} />
        </>
      ) : null}
    </span>
  );
}

/** Whom or what a value names, as a link; undefined for a value that names nothing. */
export function refTo(name: string, value: unknown) {
  const named = refOf(name, value);
  return named === undefined ? undefined : <Ref {...named} />;
}
