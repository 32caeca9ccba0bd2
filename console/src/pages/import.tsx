import { type Answer, useRead } from '../data/api.ts';
import { Command, commandLine } from '../parts/copy.tsx';
import { DownloadButton } from '../parts/download.tsx';
import { Foreign, Id, Time, useNumber } from '../parts/format.tsx';
import { Facts, PageHead, type PageProps, Row, Section } from '../parts/page.tsx';
import { Empty, Shown } from '../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../texts/languages.ts';
import { ImportBadge } from './imports/import-list.tsx';

const texts = inLanguages({
  en: {
    all: 'Imports',
    progress: 'How far it is',
    new: 'New',
    changed: 'Changed',
    same: 'Unchanged',
    linked: 'Linked',
    rejected: 'Rejected',
    factors_lost: 'Second factor lost',
    about: 'About',
    id: 'Import id',
    reason: 'Reason',
    began: 'Began',
    ended: 'Ended',
    failure: 'Error',
    hashes: 'Password hashes',
    hash: '{format}: {count}',
    rejects: 'Rejected records',
    rejectsShown: '{shown} of {count}, in the order of the file',
    noticed: 'What was left out',
    noticedWhy: 'These users were imported without a member, or enrol a second factor before their first session.',
    factor_lost: 'second factor: {member}',
    left_out: 'left out: {member}',
    shortened: 'shortened: {member}',
    none: 'No record was rejected',
    noneWhy: 'Every record became a user here, or was one already.',
    line: 'line {line}, record {record}',
    download: 'Download',
    downloadOf: 'Download the records that this import rejected',
    certificate: 'Certificate',
    certificateWhy:
      'A signed statement of what was imported, with its place in the audit log, on which a deletion at the other system can rest. The key that signs it is not in the API, so the command line writes it, and verifies it offline.',
    notYet: 'An import that has ended has one.',
  },
  de: {
    all: 'Importe',
    progress: 'Wie weit er ist',
    new: 'Neu',
    changed: 'Geändert',
    same: 'Unverändert',
    linked: 'Verknüpft',
    rejected: 'Abgelehnt',
    factors_lost: 'Ohne zweiten Faktor',
    about: 'Angaben',
    id: 'Import-ID',
    reason: 'Grund',
    began: 'Begann',
    ended: 'Endete',
    failure: 'Fehler',
    hashes: 'Passwort-Hashes',
    hash: '{format}: {count}',
    rejects: 'Abgelehnte Datensätze',
    rejectsShown: '{shown} von {count}, in der Reihenfolge der Datei',
    noticed: 'Was weggelassen wurde',
    noticedWhy:
      'Diese Benutzer kamen ohne eine Angabe, oder richten vor ihrer ersten Sitzung einen zweiten Faktor ein.',
    factor_lost: 'zweiter Faktor: {member}',
    left_out: 'weggelassen: {member}',
    shortened: 'gekürzt: {member}',
    none: 'Kein Datensatz wurde abgelehnt',
    noneWhy: 'Jeder Datensatz wurde hier ein Benutzer oder war schon einer.',
    line: 'Zeile {line}, Datensatz {record}',
    download: 'Herunterladen',
    downloadOf: 'Die Datensätze herunterladen, die dieser Import ablehnte',
    certificate: 'Zertifikat',
    certificateWhy:
      'Eine signierte Aussage darüber, was importiert wurde, mit ihrer Stelle im Audit-Protokoll; auf ihr kann eine Löschung im anderen System beruhen. Der Schlüssel, der sie signiert, ist nicht in der API; daher schreibt sie die Kommandozeile und prüft sie offline.',
    notYet: 'Ein beendeter Import hat eines.',
  },
});

type Import = Answer<'GET /v1/admin/imports/{import_id}'>;
const COUNTS = ['new', 'changed', 'same', 'linked', 'rejected', 'factors_lost'] as const;
const NOTICES = ['factor_lost', 'left_out', 'shortened'] as const;
const REFRESH_MS = 2_000;

function Rejects({ of }: { readonly of: Import }) {
  const own = useTexts(texts);
  const number = useNumber();
  return (
    <Section
      title={own.rejects}
      acts={
        of.rejects.length === 0 ? undefined : (
          <DownloadButton
            path={`/v1/admin/imports/${of.import_id}/rejects`}
            name={`import-${of.import_id}-rejects.ndjson`}
            label={own.downloadOf}
          >
            {own.download}
          </DownloadButton>
        )
      }
    >
      {of.rejects.length === 0 ? (
        <Empty title={own.none}>
          <p>{own.noneWhy}</p>
        </Empty>
      ) : (
        <>
          <p class="dim small">
            {fill(own.rejectsShown, { shown: number(of.rejects.length), count: number(of.counts.rejected) })}
          </p>
          <ul class="rows" aria-label={own.rejects}>
            {of.rejects.map((reject) => (
              <Row
                key={reject.record}
                title={reject.reason}
                meta={<Foreign>{reject.value}</Foreign>}
                side={fill(own.line, { line: number(reject.line), record: number(reject.record) })}
              />
            ))}
          </ul>
        </>
      )}
    </Section>
  );
}

/** Members that were left out, and lost factors. Nothing for an import without any. */
function Notices({ of }: { readonly of: Import }) {
  const own = useTexts(texts);
  const number = useNumber();
  if (of.noticed.length === 0) return null;
  const titleOf = ({ notice, member }: Import['noticed'][number]): string => {
    const known = NOTICES.find((name) => name === notice);
    return known === undefined ? `${notice}: ${member}` : fill(own[known], { member });
  };
  return (
    <Section title={own.noticed}>
      <p class="dim small">{own.noticedWhy}</p>
      <ul class="rows" aria-label={own.noticed}>
        {of.noticed.map((notice) => (
          <Row
            key={`${notice.record} ${notice.notice} ${notice.member}`}
            title={titleOf(notice)}
            meta={<Foreign>{notice.value}</Foreign>}
            side={fill(own.line, { line: number(notice.line), record: number(notice.record) })}
          />
        ))}
      </ul>
    </Section>
  );
}

function Details({ of }: { readonly of: Import }) {
  const own = useTexts(texts);
  const number = useNumber();
  const formats = Object.entries(of.hash_formats);
  return (
    <>
      <section class="card figures" aria-label={own.progress}>
        {COUNTS.filter((name) => of.counts[name] !== null).map((name) => (
          <div key={name} class="figure">
            <span class="dim">{own[name]}</span>
            <strong>{number(of.counts[name] ?? 0)}</strong>
          </div>
        ))}
      </section>
      {of.status === 'running' ? <progress max={100} value={of.progress} aria-label={own.progress} /> : null}
      <div class="grid">
        <Section title={own.about}>
          <Facts
            items={[
              [own.id, <Id>{of.import_id}</Id>],
              [own.reason, <Foreign>{of.reason}</Foreign>],
              [own.began, <Time at={of.created_at} />],
              [own.ended, of.finished_at === null ? '–' : <Time at={of.finished_at} />],
              ...(of.failure === null ? [] : ([[own.failure, <code>{of.failure}</code>]] as const)),
              [
                own.hashes,
                formats.length === 0
                  ? '–'
                  : formats.map(([format, count]) => fill(own.hash, { format, count: number(count) })).join(', '),
              ],
            ]}
          />
        </Section>
        <Section title={own.certificate}>
          <p class="dim">{own.certificateWhy}</p>
          {of.finished_at === null ? (
            <p>{own.notYet}</p>
          ) : (
            <Command text={commandLine('import', 'certificate', of.import_id, 'certificate.json')} />
          )}
        </Section>
      </div>
      <Notices of={of} />
      <Rejects of={of} />
    </>
  );
}

export function Page({ params, title }: PageProps) {
  const own = useTexts(texts);
  const query = useRead(
    'GET /v1/admin/imports/{import_id}',
    { path: { import_id: params.id ?? '' } },
    { refetchInterval: REFRESH_MS },
  );
  const found = query.data;
  return (
    <div class="page">
      <p class="crumb">
        <a href="/console/imports">{own.all}</a>
      </p>
      <PageHead title={found?.kind ?? title} badges={found === undefined ? undefined : <ImportBadge of={found} />} />
      <Shown query={query} lines={5}>
        {(run) => <Details of={run} />}
      </Shown>
    </div>
  );
}
