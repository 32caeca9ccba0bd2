import type { ComponentType } from 'preact';
import type { PageProps } from './parts/page.tsx';
import type { Place } from './places.ts';

type Loaded = Promise<{ readonly Page: ComponentType<PageProps> }>;

/** What shows the pages that are made by hand: each is a chunk of its own, loaded when the page is opened. */
const handMade: Readonly<Record<string, () => Loaded>> = {
  overview: () => import('./pages/overview.tsx'),
  inspector: () => import('./pages/inspector.tsx'),
  stream: () => import('./pages/stream.tsx'),
  verifyReport: () => import('./pages/verify-report.tsx'),
};

export async function loadPage(place: Place): Loaded {
  const { name, fold, parts } = place;
  if (parts !== undefined) return (await import('./fold/shown-sections.tsx')).pageOf(place, (await parts()).parts);
  if (fold === undefined) return (handMade[name] as () => Loaded)();
  return fold.isItem
    ? (await import('./fold/detail.tsx')).detailOf(fold)
    : (await import('./fold/list.tsx')).listOf(fold);
}
