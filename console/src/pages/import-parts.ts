import type { Answer } from '../data/api.ts';
import { partsOf } from '../fold/sections.ts';

/** An import: how far it is, and where its certificate comes from. */
export const parts = partsOf<Answer<'GET /v1/admin/imports/{import_id}'>>()(
  {
    en: {
      certificate: 'Certificate',
      why: 'A signed statement of what was imported, with its place in the audit log, on which a deletion at the other system can rest. The key that signs it is not in the API, so the command line writes it, and verifies it offline.',
      notYet: 'An import that has ended has one.',
    },
    de: {
      certificate: 'Zertifikat',
      why: 'Eine signierte Aussage darüber, was importiert wurde, mit ihrer Stelle im Audit-Protokoll; auf ihr kann eine Löschung im anderen System beruhen. Der Schlüssel, der sie signiert, ist nicht in der API; daher schreibt sie die Kommandozeile und prüft sie offline.',
      notYet: 'Ein beendeter Import hat eines.',
    },
  },
  {
    above: ({ status, progress }, { word }) => (status === 'running' ? [{ progress: [word(status), progress] }] : []),
    below: ({ import_id: id, finished_at: finishedAt }, { texts }) => [
      finishedAt === null
        ? { title: texts.certificate, says: [texts.why, texts.notYet] }
        : { title: texts.certificate, says: [texts.why], command: ['import', 'certificate', id, 'certificate.json'] },
    ],
  },
);
