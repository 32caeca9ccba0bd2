import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { useLocation } from 'preact-iso';
import { useSession } from '../data/session.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';
import { Icon } from './icons.tsx';

const texts = inLanguages({
  en: { kept: 'Bookmarks', name: 'Name of a bookmark', keep: 'Keep these filters', remove: 'Remove {name}' },
  de: { kept: 'Lesezeichen', name: 'Name des Lesezeichens', keep: 'Diese Filter merken', remove: '{name} entfernen' },
});

type Bookmark = { readonly name: string; readonly href: string };

function readKept(key: string): readonly Bookmark[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(key) ?? '[]');
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}

/** Around the filters of a list: those that this person keeps in this browser under a name, and the form that keeps more. */
export function Bookmarks({ path, children }: { readonly path: string; readonly children: ComponentChildren }) {
  const own = useTexts(texts);
  const { url } = useLocation();
  const key = `console.bookmarks.${useSession().user_id}`;
  const [all, setAll] = useState(() => readKept(key));
  const change = (next: (kept: readonly Bookmark[]) => readonly Bookmark[]): void => {
    const kept = next(readKept(key));
    localStorage.setItem(key, JSON.stringify(kept));
    setAll(kept);
  };
  const keep = (event: SubmitEvent): void => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget as HTMLFormElement).get('name'));
    change((kept) => [...kept, { name, href: url }]);
  };
  const here = all.filter(({ href }) => href.startsWith(`${path}?`));
  return (
    <>
      {here.length === 0 ? null : (
        <nav class="tabs" aria-label={own.kept}>
          {here.map(({ name: each, href }) => (
            <span key={`${each} ${href}`} class="acts">
              <a href={href} aria-current={href === url ? 'page' : undefined}>
                {each}
              </a>
              <button
                type="button"
                class="quiet square"
                aria-label={fill(own.remove, { name: each })}
                onClick={() => change((kept) => kept.filter((other) => other.name !== each || other.href !== href))}
              >
                <Icon name="close" />
              </button>
            </span>
          ))}
        </nav>
      )}
      {children}
      {url.startsWith(`${path}?`) && !here.some(({ href }) => href === url) ? (
        <form class="toolbar" onSubmit={keep}>
          <input name="name" aria-label={own.name} placeholder={own.name} maxLength={40} required autoComplete="off" />
          <button type="submit">{own.keep}</button>
        </form>
      ) : null}
    </>
  );
}
