import { inLanguages } from './languages.ts';

/** Titles of the pages, as the navigation shows them. */
export const titles = inLanguages({
  en: {
    overview: 'Overview',
    stream: 'Live events',
    verifyReport: 'Verify a bundle',
    inspector: 'Token inspector',
    backups: 'Backups',
  },
  de: {
    overview: 'Übersicht',
    stream: 'Ereignisse live',
    verifyReport: 'Ein Paket prüfen',
    inspector: 'Token-Prüfung',
    backups: 'Sicherungen',
  },
});
