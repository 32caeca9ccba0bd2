import { inLanguages } from './languages.ts';

/** Titles of the pages, as the navigation shows them. */
export const titles = inLanguages({
  en: {
    overview: 'Overview',
    stream: 'Live events',
    audit: 'Audit log',
    auditEvent: 'Event',
    verifyReport: 'Verify a bundle',
    inspector: 'Token inspector',
    backups: 'Backups',
  },
  de: {
    overview: 'Übersicht',
    stream: 'Ereignisse live',
    audit: 'Audit-Protokoll',
    auditEvent: 'Ereignis',
    verifyReport: 'Ein Paket prüfen',
    inspector: 'Token-Prüfung',
    backups: 'Sicherungen',
  },
});
