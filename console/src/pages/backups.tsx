import { type Answer, usePages, useRead } from '../data/api.ts';
import { useCan, useSession } from '../data/session.tsx';
import { CommandLine, commandLine } from '../parts/copy.tsx';
import { Badge, Foreign, Time, type Tone, useNumber } from '../parts/format.tsx';
import { Facts, PagedList, PageHead, type PageProps, Row, Section } from '../parts/page.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { Views } from '../parts/views.tsx';
import { type Place, placeOf } from '../places.ts';
import { inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Whether what is here could be restored',
    evidenceWhy: 'What two controls of the page Compliance found. Backups themselves are made on the command line.',
    noEvidence: 'These controls have not been checked yet',
    noEvidenceWhy: 'A worker checks them every few minutes.',
    pass: 'Passes',
    fail: 'Fails',
    error: 'Could not be checked',
    not_applicable: 'Not applicable',
    unknown: 'Not checked yet',
    checked: 'checked',
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
    evidenceWhy:
      'Was zwei Kontrollen der Seite Compliance fanden. Die Sicherungen selbst entstehen auf der Kommandozeile.',
    noEvidence: 'Diese Kontrollen wurden noch nicht geprüft',
    noEvidenceWhy: 'Ein Worker prüft sie alle paar Minuten.',
    pass: 'Bestanden',
    fail: 'Nicht bestanden',
    error: 'Nicht prüfbar',
    not_applicable: 'Nicht anwendbar',
    unknown: 'Noch nicht geprüft',
    checked: 'geprüft',
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

type Control = Answer<'GET /v1/compliance/controls'>['controls'][number];
type Event = Answer<'GET /v1/audit/events'>['events'][number];
const CONTROLS = ['backups-recent', 'restore-drill'];
const tones = {
  pass: 'good',
  fail: 'bad',
  error: 'warn',
  not_applicable: 'plain',
  unknown: 'plain',
} as const satisfies Record<Control['status'], Tone>;

/** `newest_file_bytes` → `Newest file bytes` */
const named = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1).replaceAll('_', ' ');

/** Names and values as they were recorded; what is nested is left out. */
function useSimple(): (of: Readonly<Record<string, unknown>>) => (readonly [string, string])[] {
  const number = useNumber();
  return (of) =>
    Object.entries(of).flatMap(([name, value]) => {
      if (value === null || typeof value === 'object') return [];
      return [[named(name), typeof value === 'number' ? number(value) : String(value)] as const];
    });
}

/** The reason of a control that fails is the first of its exceptions. */
const isSaid = ({ exceptions }: NonNullable<Control['check']>, reason: string): boolean =>
  exceptions.some(({ why }) => why === reason);

function Evidence({ control }: { readonly control: Control }) {
  const own = useTexts(texts);
  const simple = useSimple();
  return (
    <div class="verdict">
      <p>
        <Badge tone={tones[control.status]}>{own[control.status]}</Badge>{' '}
        {control.check === null ? null : (
          <span class="dim small">
            {own.checked} <Time at={control.check.ended_at} />
          </span>
        )}
      </p>
      {control.check?.exceptions.map(({ why }) => (
        <p key={why} class="note bad" lang="en">
          {why}
        </p>
      ))}
      {control.reason === null || control.check === null || isSaid(control.check, control.reason) ? null : (
        <p class="dim" lang="en">
          {control.reason}
        </p>
      )}
      {control.check === null ? null : <Facts items={simple(control.check.observed)} />}
    </div>
  );
}

function Controls() {
  const own = useTexts(texts);
  const query = useRead('GET /v1/compliance/controls', {});
  return (
    <Shown query={query} lines={5}>
      {({ controls }) => {
        const shown = controls.filter(({ control_id: id }) => CONTROLS.includes(id));
        if (shown.length === 0)
          return (
            <Empty title={own.noEvidence}>
              <p>{own.noEvidenceWhy}</p>
            </Empty>
          );
        return (
          <div class="grid">
            {shown.map((control) => (
              <Section key={control.control_id} title={control.title}>
                <Evidence control={control} />
              </Section>
            ))}
          </div>
        );
      }}
    </Shown>
  );
}

function Events({ title, type, empty }: { readonly title: string; readonly type: string; readonly empty: string }) {
  const simple = useSimple();
  const own = useTexts(texts);
  const pages = usePages('GET /v1/audit/events', { limit: 10, type });
  return (
    <Section title={title}>
      <PagedList
        label={title}
        pages={pages}
        itemsOf={(page) => page.events}
        empty={
          <Empty title={empty}>
            <p>{type === 'operations.restore_rehearsed' ? own.noRehearsalsWhy : own.noRestoresWhy}</p>
          </Empty>
        }
      >
        {(event: Event) => (
          <Row
            key={event.event_id}
            href={`/console/audit/${event.seq}`}
            title={<Time at={event.occurred_at} />}
            meta={simple(event.detail).map(([name, value]) => (
              <span key={name}>
                {name} <Foreign>{value}</Foreign>
              </span>
            ))}
            side={<Badge tone={event.outcome === 'ok' ? 'good' : 'bad'}>{event.outcome}</Badge>}
          />
        )}
      </PagedList>
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
      {can('compliance:read') && !leftOut.includes('compliance') ? (
        <>
          <p class="dim">{own.evidenceWhy}</p>
          <Controls />
        </>
      ) : null}
      {can('audit:read') ? (
        <>
          <Events title={own.rehearsals} type="operations.restore_rehearsed" empty={own.noRehearsals} />
          <Events title={own.restores} type="operations.backup_restored" empty={own.noRestores} />
        </>
      ) : null}
      <div>
        <p class="dim">{own.make}</p>
        <CommandLine text={commandLine('backup', '--out', 'sallyport.backup', '--key-file', 'backup.key')} />
      </div>
    </div>
  );
}
