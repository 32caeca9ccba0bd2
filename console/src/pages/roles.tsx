import { type Answer, usePages } from '../data/api.ts';
import { useCan } from '../data/session.tsx';
import { commandLine } from '../parts/copy.tsx';
import { Badge, Foreign } from '../parts/format.tsx';
import { PagedList, PageHead, type PageProps, Row } from '../parts/page.tsx';
import { Empty } from '../parts/states.tsx';
import { inLanguages, useTexts } from '../texts/languages.ts';

const texts = inLanguages({
  en: {
    lead: 'What each role may do; choose a role to see who has it',
    none: 'There is no role',
    noneWhy: 'Roles give people their permissions.',
    builtIn: 'built in',
    noPermissions: 'no permission of this installation',
  },
  de: {
    lead: 'Was jede Rolle darf; wählen Sie eine Rolle, um zu sehen, wer sie hat',
    none: 'Es gibt keine Rolle',
    noneWhy: 'Rollen geben Personen ihre Berechtigungen.',
    builtIn: 'eingebaut',
    noPermissions: 'keine Berechtigung dieser Installation',
  },
});

type Role = Answer<'GET /v1/admin/roles'>['roles'][number];

export function Page({ title }: PageProps) {
  const own = useTexts(texts);
  const can = useCan();
  const pages = usePages('GET /v1/admin/roles', { limit: 50 });
  return (
    <div class="page">
      <PageHead title={title} lead={own.lead} />
      <div>
        <PagedList
          label={title}
          pages={pages}
          itemsOf={(page) => page.roles}
          empty={
            <Empty
              title={own.none}
              command={commandLine(
                'roles',
                'create',
                'desk',
                'users:read',
                '--description',
                'help desk',
                '--reason',
                'first role',
              )}
            >
              <p>{own.noneWhy}</p>
            </Empty>
          }
        >
          {(role: Role) => (
            <Row
              key={role.name}
              {...(can('users:read') ? { href: `/console/people?${new URLSearchParams({ role: role.name })}` } : {})}
              title={<Foreign>{role.name}</Foreign>}
              meta={
                <>
                  <Foreign>{role.description}</Foreign>
                  <span class="badges">
                    {role.permissions.length === 0
                      ? own.noPermissions
                      : role.permissions.map((permission) => <Badge key={permission}>{permission}</Badge>)}
                  </span>
                </>
              }
              side={role.built_in ? <Badge tone="accent">{own.builtIn}</Badge> : null}
            />
          )}
        </PagedList>
      </div>
    </div>
  );
}
