import { useCan, useSession } from '../data/session.tsx';
import { Rows } from '../fold/list.tsx';
import { CommandLine, commandLine } from '../parts/copy.tsx';
import { Events } from '../parts/events.tsx';
import { PageHead, type PageProps, Section } from '../parts/page.tsx';
import { Views } from '../parts/views.tsx';
import { type Place, placeOf } from '../places.ts';
import { inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
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
});

const CONTROLS = ['backups-recent', 'restore-drill'];

function Controls() {
  const own = useTexts(texts);
  const { group, special } = (placeOf('compliance-controls') as Place).fold as NonNullable<Place['fold']>;
  return (
    <Section title={own.evidence}>
      <p class="dim">{own.evidenceWhy}</p>
      <Rows
        operation={group.list}
        special={special}
        segment={group.segment}
        group={group}
        label={own.evidence}
        only={({ control_id: id }) => CONTROLS.includes(String(id))}
        empty={null}
      />
    </Section>
  );
}

/** What is known of backups: two controls, and the audit log. */
export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const can = useCan();
  const { left_out: leftOut } = useSession();
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      <Views of={placeOf('backups') as Place} />
      {can('compliance:read') && !leftOut.includes('compliance') ? <Controls /> : null}
      {can('audit:read') ? (
        <>
          <Events
            title={own.rehearsals}
            of={{ type: 'operations.restore_rehearsed' }}
            none={[own.noRehearsals, own.noRehearsalsWhy]}
          />
          <Events
            title={own.restores}
            of={{ type: 'operations.backup_restored' }}
            none={[own.noRestores, own.noRestoresWhy]}
          />
        </>
      ) : null}
      <div>
        <p class="dim">{own.make}</p>
        <CommandLine text={commandLine('backup', '--out', 'sallyport.backup', '--key-file', 'backup.key')} />
      </div>
    </div>
  );
}
