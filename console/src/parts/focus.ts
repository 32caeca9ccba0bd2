/** Where the focus goes when another page is shown: to its heading, and after Back to the row that it was left by. */

/** Rows by which pages were left, by the address of the page. */
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
export function focusHeading(heading: HTMLElement | null): void {
  if (location.pathname === shown) return;
  shown = location.pathname;
  if (document.querySelector('dialog[open]') === null) heading?.focus({ preventScroll: true });
}

/** Focuses a row if the page was left by it, and the reader is nowhere else yet. */
export function focusRow(link: HTMLElement | null): void {
  if (row === undefined || link?.getAttribute('href') !== row) return;
  row = undefined;
  if (document.activeElement?.matches('body, h1') !== true) return;
  link.focus();
  link.scrollIntoView({ block: 'nearest' });
}
