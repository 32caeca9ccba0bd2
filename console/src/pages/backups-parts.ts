import { partsOf } from '../fold/sections.ts';

const CONTROLS = ['backups-recent', 'restore-drill'];

/** What is known of backups: two controls, and the audit log. */
export const parts = partsOf()(
  {
    en: {
      lead: 'Whether what is here could be restored',
      evidence: 'Controls',
      evidenceWhy: 'What two controls of the page Compliance found. Backups themselves are made on the command line.',
      rehearsals: 'Rehearsals of a restore',
      noRehearsals: 'No restore was rehearsed yet',
      noRehearsalsWhy:
        'Set RESTORE_DRILL_URL: a worker then restores a backup beside the installation each week, checks it, and drops it.',
      restores: 'Restores',
      noRestores: 'No backup was ever restored here',
      noRestoresWhy: 'A restore into this database appears here with the time of its backup.',
      make: 'Make a backup, to a file or an object store:',
    },
    de: {
      lead: 'Ob sich wiederherstellen ließe, was hier ist',
      evidence: 'Kontrollen',
      evidenceWhy:
        'Was zwei Kontrollen der Seite Compliance fanden. Die Sicherungen selbst entstehen auf der Kommandozeile.',
      rehearsals: 'Proben einer Wiederherstellung',
      noRehearsals: 'Noch keine Wiederherstellung wurde geprobt',
      noRehearsalsWhy:
        'Setzen Sie RESTORE_DRILL_URL: dann spielt ein Worker jede Woche eine Sicherung neben der Installation ein, prüft sie und verwirft sie.',
      restores: 'Wiederherstellungen',
      noRestores: 'Hier wurde nie eine Sicherung eingespielt',
      noRestoresWhy: 'Eine Wiederherstellung in diese Datenbank erscheint hier mit der Zeit ihrer Sicherung.',
      make: 'So entsteht eine Sicherung, als Datei oder in einem Objektspeicher:',
    },
  },
  {
    above: (_, { texts }) => [
      {
        title: texts.evidence,
        says: [texts.evidenceWhy],
        list: { of: 'compliance-controls', only: ({ control_id: id }) => CONTROLS.includes(String(id)) },
      },
      {
        title: texts.rehearsals,
        list: { of: 'audit-events', by: { type: 'operations.restore_rehearsed' } },
        none: [texts.noRehearsals, texts.noRehearsalsWhy],
      },
      {
        title: texts.restores,
        list: { of: 'audit-events', by: { type: 'operations.backup_restored' } },
        none: [texts.noRestores, texts.noRestoresWhy],
      },
      { says: [texts.make], command: ['backup', '--out', 'sallyport.backup', '--key-file', 'backup.key'] },
    ],
  },
);
