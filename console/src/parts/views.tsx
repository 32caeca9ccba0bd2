import { useSession } from '../data/session.tsx';
import { hrefOf, isOpen, type Place, places, titleOf } from '../places.ts';
import { common } from '../texts/common.ts';
import { useLanguage, useTexts } from '../texts/languages.ts';

/** The views that stand beside a page, itself among them. */
function viewsOf(place: Place): readonly Place[] {
  const first = place.beside ?? place.name;
  return [...places.filter(({ name }) => name === first), ...places.filter(({ beside }) => beside === first)];
}

/** Links to the views that stand beside a page; nothing for a page that stands alone. */
export function Views({ of }: { readonly of: Place }) {
  const texts = useTexts(common);
  const language = useLanguage();
  const { permissions, left_out: leftOut } = useSession();
  const views = viewsOf(of).filter((place) => isOpen(place, permissions, leftOut));
  if (views.length < 2) return null;
  return (
    <nav class="tabs" aria-label={texts.views}>
      {views.map((place) => (
        <a key={place.name} href={hrefOf(place)} aria-current={place.name === of.name ? 'page' : undefined}>
          {titleOf(place, language)}
        </a>
      ))}
    </nav>
  );
}
