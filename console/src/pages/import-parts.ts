import type { PartProps } from '../fold/resource.ts';
import { Command, commandLine } from '../parts/copy.tsx';
import { Section } from '../parts/page.tsx';
import { inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
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
});

/** How far it is, and where its certificate comes from. */
function Above({ item }: PartProps) {
  return item.status === 'running' ? <progress max={100} value={Number(item.progress)} /> : null;
}

function Below({ item, id }: PartProps) {
  const own = useTexts(texts);
  return (
    <Section title={own.certificate}>
      <p class="dim">{own.why}</p>
      {item.finished_at === null ? (
        <p>{own.notYet}</p>
      ) : (
        <Command text={commandLine('import', 'certificate', id, 'certificate.json')} />
      )}
    </Section>
  );
}

export const parts = { Above, Below };
