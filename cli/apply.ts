import type { Command } from 'commander';
import type { ApplicationChanges } from '../services/core/access/application-shapes.ts';
import { declareApplication } from '../services/core/access/manage-applications.ts';
import { hasChanges } from '../services/core/access/plan-application.ts';
import type { Config } from '../services/platform/config/load.ts';
import { isAppError } from '../services/platform/define/error.ts';
import { type ActOptions, addReason, noNotices, onDatabase } from './admin.ts';
import { requireReason } from './arguments.ts';
import { confirm } from './confirm.ts';
import { systemCaller } from './database-ports.ts';
import { readPermissionFile } from './permission-file.ts';

const caller = systemCaller('sallyport apply');
/** The audiences of the installation that are set; no application may use the API's own address. */
const ownAudiences = ({ tokens, server, mcp }: Config): string[] =>
  [tokens.audience, tokens.issuer, server.publicUrl, mcp.url].filter((each) => each !== undefined);

const signed = ({ added, removed }: { readonly added: readonly string[]; readonly removed: readonly string[] }) => [
  ...added.map((name) => `+ ${name}`),
  ...removed.map((name) => `- ${name}`),
];

/** The changes as lines: `+` is added, `-` is removed. */
function changeLines(application: string, changes: ApplicationChanges): string[] {
  const { created, permissions, roles, scopes, signoff_policies: policies, users } = changes;
  const changed = roles.changed.flatMap((role) => signed(role).map((line) => `  role ${role.role}: ${line}`));
  return [
    created ? `+ application ${application}` : `application ${application}`,
    ...signed(permissions).map((line) => `  ${line}`),
    ...signed({ added: roles.added, removed: roles.removed }).map((line) => `  role ${line}`),
    ...changed,
    ...signed(scopes).map((line) => `  scope ${line}`),
    ...signed(changes.authorization_details).map((line) => `  details ${line}`),
    ...signed({ added: policies.added, removed: policies.removed }).map((line) => `  sign-off ${line}`),
    ...policies.changed.flatMap((policy) => signed(policy).map((line) => `  sign-off ${policy.act}: ${line}`)),
    ...(users === 0 ? [] : [`  revokes the tokens of ${users} ${users === 1 ? 'user' : 'users'}`]),
  ];
}

/** `sallyport apply FILE`: declares an application's permissions and roles, directly on the database. */
export function registerApply(program: Command): void {
  addReason(program.command('apply'))
    .argument(
      '<file>',
      'permission file (YAML or JSON): application, audience, permissions, roles, scopes, signoff_policies, authorization_details',
    )
    .action((name: string, _own, command: Command) =>
      onDatabase<ActOptions>(command, async (database, output, options) => {
        requireReason(options.reason);
        const { declaration, refused } = readPermissionFile(name);
        const ports = { ...database, ...noNotices, ownAudiences: ownAudiences(database.settings) };
        const declare = (isDryRun: boolean) =>
          declareApplication(ports, { ...declaration, reason: options.reason, dry_run: isDryRun }, caller).catch(
            (err: unknown) => {
              throw isAppError(err) && err.options.problems ? refused(err.options.problems) : err;
            },
          );
        const { application } = declaration;
        const planned = await declare(true);
        const lines = changeLines(application, planned.changes);
        if (!hasChanges(planned.changes)) {
          output.say(`${application} is as declared`);
          output.json({ ...planned, dry_run: options.dryRun === true });
          return;
        }
        if (options.dryRun) {
          await declare(false);
          output.say(`would change application ${application}; nothing was done`);
          output.data(planned, () => lines);
          return;
        }
        if (!options.yes) {
          output.say(lines.join('\n'));
          await confirm(`Change application ${application}?`);
        }
        const done = await declare(false);
        output.data(done, ({ changes }) => changeLines(application, changes));
      }),
    );
}
