import type { AccountSection } from '#services/core/oauth/own-account-page-contract.ts';
import { type Html, html } from '#services/platform/html/html.ts';

/** Lines on a ground of 20 by 20. */
const PATHS: Readonly<Record<AccountSection, string>> = {
  profile: 'M10 9.5a3.25 3.25 0 1 0 0-6.5 3.25 3.25 0 0 0 0 6.5zM3.5 17c.5-3 3-4.75 6.5-4.75S16 14 16.5 17',
  security: 'M10 2.5l6 2.25v4.5c0 3.75-2.5 6.5-6 8.25-3.5-1.75-6-4.5-6-8.25v-4.5z',
  sessions: 'M2.5 4h15v9.5h-15zM10 13.5V17M6.5 17h7',
  applications: 'M3 3h5.5v5.5H3zM11.5 3H17v5.5h-5.5zM3 11.5h5.5V17H3zM11.5 11.5H17V17h-5.5z',
  keys: 'M9.5 10a3.25 3.25 0 1 1-6.5 0 3.25 3.25 0 0 1 6.5 0zM9.5 10H17v3M13.5 10v2.5',
  data: 'M10 3v9M6.5 8.5 10 12l3.5-3.5M3 14v3h14v-3',
};

/** A picture beside a name, which says nothing itself. */
export const iconOf = (section: AccountSection): Html =>
  html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true"><path d="${PATHS[section]}"/></svg>`;
