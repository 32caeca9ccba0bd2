import { type Answer, usePages } from '../../data/api.ts';
import { commandLine } from '../../parts/copy.tsx';
import { Badge, Foreign, Time, type Tone, useNumber } from '../../parts/format.tsx';
import { PagedList, Row } from '../../parts/page.tsx';
import { Empty } from '../../parts/states.tsx';
import { fill, inLanguages, useTexts } from '../../texts/languages.ts';

const texts = inLanguages({
  en: {
    imports: 'Imports',
    none: 'No users came from another system yet',
    noneWhy: 'The command line imports a file of Auth0, Clerk, Cognito, Firebase, Keycloak, Supabase and others.',
    counts: 'new {new}, changed {changed}, unchanged {same}, rejected {rejected}',
    waiting: 'Waiting',
    running: 'Running',
    done: 'Done',
    failed: 'Failed',
  },
  de: {
    imports: 'Importe',
    none: 'Noch kamen keine Benutzer aus einem anderen System',
    noneWhy:
      'Die Kommandozeile importiert eine Datei von Auth0, Clerk, Cognito, Firebase, Keycloak, Supabase und anderen.',
    counts: 'neu {new}, geändert {changed}, unverändert {same}, abgelehnt {rejected}',
    waiting: 'Wartet',
    running: 'Läuft',
    done: 'Fertig',
    failed: 'Gescheitert',
  },
});

type Import = Answer<'GET /v1/admin/imports'>['imports'][number];
const tones = { waiting: 'plain', running: 'accent', done: 'good', failed: 'bad' } as const satisfies Record<
  Import['status'],
  Tone
>;
const REFRESH_MS = 5_000;

/** The state of an import, with how far it is while it runs. */
export function ImportBadge({ of }: { readonly of: Import }) {
  const own = useTexts(texts);
  const text = of.status === 'running' ? `${own.running} ${of.progress} %` : own[of.status];
  return <Badge tone={tones[of.status]}>{text}</Badge>;
}

/** Imports, newest first. */
export function ImportList() {
  const own = useTexts(texts);
  const number = useNumber();
  const pages = usePages('GET /v1/admin/imports', { limit: 50 }, { refetchInterval: REFRESH_MS });
  return (
    <div>
      <PagedList
        label={own.imports}
        pages={pages}
        itemsOf={(page) => page.imports}
        empty={
          <Empty title={own.none} command={commandLine('import', 'clerk', 'users.json', '--reason', 'moving')}>
            <p>{own.noneWhy}</p>
          </Empty>
        }
      >
        {(run: Import) => (
          <Row
            key={run.import_id}
            href={`/console/imports/${run.import_id}`}
            title={run.kind}
            meta={
              <>
                <Time at={run.created_at} />
                <span>
                  {fill(own.counts, {
                    new: number(run.counts.new),
                    changed: number(run.counts.changed),
                    same: number(run.counts.same),
                    rejected: number(run.counts.rejected),
                  })}
                </span>
                <Foreign>{run.reason}</Foreign>
              </>
            }
            side={<ImportBadge of={run} />}
          />
        )}
      </PagedList>
    </div>
  );
}
