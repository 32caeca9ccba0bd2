import { type Answer, usePages } from '../data/api.ts';
import { commandLine } from '../parts/copy.tsx';
import { Badge, Foreign } from '../parts/format.tsx';
import { PagedList, PageHead, type PageProps, Row } from '../parts/page.tsx';
import { Empty } from '../parts/states.tsx';
import { inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'Permissions and roles that your applications declare',
    none: 'No application has declared its permissions',
    noneWhy: 'Its permissions and roles appear here once you have declared them in a file and applied it.',
    roles: 'Roles',
  },
  de: {
    lead: 'Berechtigungen und Rollen, die Ihre Anwendungen erklären',
    none: 'Keine Anwendung hat ihre Berechtigungen erklärt',
    noneWhy:
      'Ihre Berechtigungen und Rollen erscheinen hier, sobald Sie sie in einer Datei erklärt und angewandt haben.',
    roles: 'Rollen',
  },
});

type Application = Answer<'GET /v1/admin/applications'>['applications'][number];

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const pages = usePages('GET /v1/admin/applications', { limit: 50 });
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      <div>
        <PagedList
          label={title}
          pages={pages}
          itemsOf={(page) => page.applications}
          empty={
            <Empty title={own.none} command={commandLine('apply', 'permissions.yaml', '--reason', 'first version')}>
              <p>{own.noneWhy}</p>
            </Empty>
          }
        >
          {(application: Application) => (
            <Row
              key={application.application}
              title={<Foreign>{application.application}</Foreign>}
              meta={
                <>
                  <Foreign>{application.audience}</Foreign>
                  <span class="badges">
                    {application.permissions.map((permission) => (
                      <Badge key={permission}>{permission}</Badge>
                    ))}
                  </span>
                  <span>
                    {own.roles}: <Foreign>{Object.keys(application.roles).join(', ')}</Foreign>
                  </span>
                </>
              }
            />
          )}
        </PagedList>
      </div>
    </div>
  );
}
