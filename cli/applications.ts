import type { Command } from 'commander';
import type { ApplicationView } from '../services/domain/access/application-shapes.ts';
import { deleteApplication, listApplications } from '../services/domain/access/manage-applications.ts';
import {
  type ActOptions,
  actAsked,
  addPage,
  addReason,
  type ListOptions,
  listPage,
  noNotices,
  onDatabase,
  pageOf,
} from './admin.ts';
import { systemCaller } from './database-ports.ts';

const caller = systemCaller('sallyport applications');

const line = ({ application, audience, permissions, roles }: ApplicationView): string =>
  [
    application.padEnd(16),
    audience,
    `permissions ${permissions.join(',') || 'none'}`,
    `roles ${Object.keys(roles).join(',') || 'none'}`,
  ].join('  ');

/** `sallyport applications list|delete`, directly on the database; `sallyport apply` declares them. */
export function registerApplications(program: Command): void {
  const applications = program.command('applications');
  addPage(applications.command('list'))
    .description('list applications by name, with their permissions and roles')
    .action((_own, command: Command) =>
      onDatabase<ListOptions>(command, async (ports, output, options) =>
        listPage(output, 'applications', await listApplications(ports, pageOf(options)), line),
      ),
    );
  addReason(applications.command('delete'))
    .description('delete an application with its permissions and roles; no user may have one of its roles')
    .argument('<name>')
    .action((application: string, _own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        const act = async () => {
          await deleteApplication({ ...ports, ...noNotices }, { application, reason: options.reason }, caller);
          return { deleted: application };
        };
        await actAsked(output, options, `delete the application ${application}`, act, ({ deleted }) => [
          `${deleted}  deleted`,
        ]);
      }),
    );
}
