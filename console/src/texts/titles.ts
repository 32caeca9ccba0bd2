import { inLanguages } from './languages.ts';

/** Titles of the pages, as the navigation shows them. */
export const titles = inLanguages({
  en: {
    overview: 'Overview',
    stream: 'Live events',
    keys: 'Signing keys',
    audit: 'Audit log',
    auditEvent: 'Event',
    verifyReport: 'Verify a bundle',
    inspector: 'Token inspector',
    queues: 'Queues',
    backups: 'Backups',
  },
  de: {
    overview: 'Übersicht',
    stream: 'Ereignisse live',
    keys: 'Signaturschlüssel',
    audit: 'Audit-Protokoll',
    auditEvent: 'Ereignis',
    verifyReport: 'Ein Paket prüfen',
    inspector: 'Token-Prüfung',
    queues: 'Warteschlangen',
    backups: 'Sicherungen',
  },
});
