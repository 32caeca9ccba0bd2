import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { common } from '../texts/common.ts';
import { useTexts } from '../texts/languages.ts';

/**
 * Rows by which pages were left, by the address of the page: after Back the focus goes to the row, and to the heading when
 * another page is shown.
 */
const leftBy = new Map<string, string>();
let shown = location.pathname;
let row: string | undefined;

const address = (): string => location.pathname + location.search;

addEventListener('popstate', () => {
  row = leftBy.get(address());
});
addEventListener(
  'click',
  ({ target }) => {
    const link = target instanceof Element ? target.closest('a[data-row]') : null;
    row = undefined;
    if (link !== null) leftBy.set(address(), link.getAttribute('href') ?? '');
  },
  { capture: true },
);

/** Focuses the heading of a page that was just shown. The first page is left as it is. */
function focusHeading(heading: HTMLElement | null): void {
  if (location.pathname === shown) return;
  shown = location.pathname;
  if (document.querySelector('dialog[open]') === null) heading?.focus({ preventScroll: true });
}

/** Focuses a row if the page was left by it, and the reader is nowhere else yet. */
function focusRow(link: HTMLElement | null): void {
  if (row === undefined || link?.getAttribute('href') !== row) return;
  row = undefined;
  if (document.activeElement?.matches('body, h1') !== true) return;
  link.focus();
  link.scrollIntoView({ block: 'nearest' });
}

/** What the router gives a page: the parts of its address, and its title in the language of the reader. */
export type PageProps = { readonly params: Readonly<Record<string, string>>; readonly title: string };

/** The head of a page: its title, one line about it, and its acts. */
export function PageHead({
  title,
  lead,
  badges,
  children,
}: {
  readonly title: string;
  readonly lead?: ComponentChildren;
  readonly badges?: ComponentChildren;
  readonly children?: ComponentChildren;
}) {
  const texts = useTexts(common);
  useEffect(() => {
    document.title = `${title} – ${texts.console}`;
  }, [title, texts]);
  const heading = useRef<HTMLHeadingElement>(null);
  useLayoutEffect(() => focusHeading(heading.current), [title]);
  return (
    <header class="page-head">
      <div>
        <div class="page-title">
          <h1 ref={heading} tabIndex={-1}>
            <bdi>{title}</bdi>
          </h1>
          {badges}
        </div>
        {lead === undefined ? null : <p class="dim">{lead}</p>}
      </div>
      {children === undefined ? null : <div class="acts">{children}</div>}
    </header>
  );
}

export const Section = ({
  title,
  acts,
  children,
}: {
  readonly title: string;
  readonly acts?: ComponentChildren;
  readonly children: ComponentChildren;
}) => (
  <section class="card">
    <div class="section-head">
      <h2>{title}</h2>
      {acts}
    </div>
    {children}
  </section>
);

/** Names and values, one above the other where it is narrow. */
export const Facts = ({ items }: { readonly items: readonly (readonly [string, ComponentChildren])[] }) => (
  <dl class="facts">
    {items.map(([name, value]) => (
      <div key={name}>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
);

/** One item of a list. With an address the whole row leads there; `j` and `k` move from row to row. */
export function Row({
  href,
  title,
  meta,
  side,
  below,
}: {
  readonly href?: string | undefined;
  readonly title: ComponentChildren;
  readonly meta?: ComponentChildren;
  readonly side?: ComponentChildren;
  /** What belongs to the item, over the whole width. */
  readonly below?: ComponentChildren;
}) {
  const link = useRef<HTMLAnchorElement>(null);
  useLayoutEffect(() => focusRow(link.current), []);
  return (
    <li class="row">
      <div class="row-main">
        {href === undefined ? (
          <span class="row-title" data-row tabIndex={-1}>
            {title}
          </span>
        ) : (
          <a ref={link} class="row-title" href={href} data-row>
            {title}
          </a>
        )}
        {meta === undefined ? null : <div class="row-meta">{meta}</div>}
      </div>
      {side === undefined ? null : <div class="row-side">{side}</div>}
      {below === undefined ? null : <div class="row-below">{below}</div>}
    </li>
  );
}
