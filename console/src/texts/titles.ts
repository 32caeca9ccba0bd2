import { inLanguages } from './languages.ts';

/** Titles of the pages, as the navigation shows them. */
export const titles = inLanguages({
  en: {
    overview: 'Overview',
    stream: 'Live events',
    keys: 'Signing keys',
    audit: 'Audit log',
    auditEvent: 'Event',
    compliance: 'Compliance',
    report: 'Report',
    verifyReport: 'Verify a bundle',
    sessions: 'Sessions',
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
    compliance: 'Compliance',
    report: 'Bericht',
    verifyReport: 'Ein Paket prüfen',
    sessions: 'Sitzungen',
    inspector: 'Token-Prüfung',
    queues: 'Warteschlangen',
    backups: 'Sicherungen',
  },
});
