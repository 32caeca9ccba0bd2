/** Where the focus goes when another page is shown: to its heading, and after Back to the row that it was left by. */

/** Rows by which pages were left, by the address of the page. */
const leftBy = new Map<string, string>();
let isDue = false;
let row: string | undefined;

const address = (): string => location.pathname + location.search;

/** Notes that another page is shown from now on. */
export function pageChanged(): void {
  isDue = true;
}

addEventListener('popstate', () => {
  isDue = true;
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

/** Focuses the heading of a page that was just shown, unless a row of it is awaited. The first page is left as it is. */
export function focusHeading(heading: HTMLElement | null): void {
  if (!isDue) return;
  isDue = false;
  if (row === undefined && document.querySelector('dialog[open]') === null) heading?.focus({ preventScroll: true });
}

/** Focuses a row if the page was left by it. */
export function focusRow(link: HTMLElement | null): void {
  if (row === undefined || link?.getAttribute('href') !== row) return;
  row = undefined;
  link.focus();
  link.scrollIntoView({ block: 'nearest' });
}
