import { type Command, Option } from 'commander';
import { showUser } from '#services/core/identity/admin/read-users.ts';
import { findUserId } from '#services/core/identity/users/find-user-id.ts';
import { reviewBreakGlass } from '#services/wings/privacy/access/break-glass.ts';
import { deleteFieldPolicy } from '#services/wings/privacy/access/field-policies.ts';
import { listPhiUses, type PhiUseView } from '#services/wings/privacy/access/list-phi-uses.ts';
import {
  breakGlassLine,
  breakGlassOperations,
  policyOperations,
  restrictionOperations,
} from '#services/wings/privacy/access/operations.ts';
import {
  type ActOptions,
  actAsked,
  addPage,
  addReason,
  type ListOptions,
  listPage,
  onAccounts,
  onDatabase,
  pageOf,
} from '../admin.ts';
import { uuidOf } from '../arguments.ts';
import { registerOperations } from '../operations.ts';
import { caller, type ForPurpose, purposeOption, subjectOf } from './common.ts';

/** `sallyport privacy accesses|policies|break-glass|restrictions`. */
export function registerAccess(program: Command, privacy: Command): void {
  addPage(privacy.command('accesses'))
    .description('list the sealed uses and disclosures of the health data of a person, newest first')
    .argument('<subject_id>')
    .action((subject: string, _own, command: Command) =>
      onDatabase<ListOptions>(command, async (ports, output, options) => {
        const found = await listPhiUses(ports, { subjectId: subjectOf(subject), ...pageOf(options) });
        listPage(output, 'accesses', found, useLine);
      }),
    );
  registerPolicies(
    program,
    privacy.command('policies').description('decide which role sees which fields: list, set, delete'),
  );
  registerBreakGlass(program, privacy.command('break-glass').description('follow up emergency access: list, review'));
  privacy.command('restrictions').description('restrict uses that a person asked to restrict: list, add, end');
  registerOperations(program, restrictionOperations);
}

function registerPolicies(program: Command, policies: Command): void {
  registerOperations(program, policyOperations);
  addReason(policies.command('delete'))
    .description('delete a policy, so that the role sees nothing for the purpose')
    .argument('<role>')
    .addOption(purposeOption('purpose of the policy'))
    .action((role: string, _own, command: Command) =>
      onDatabase<ActOptions & ForPurpose>(command, async (ports, output, { purpose, ...options }) => {
        const act = async () => {
          await deleteFieldPolicy(ports, { role, purpose, reason: options.reason }, caller);
          return { role, purpose, deleted: true };
        };
        await actAsked(output, options, `let ${role} see nothing for ${purpose}`, act, () => [
          `${role}  ${purpose}  deleted`,
        ]);
      }),
    );
}

type ReviewOptions = ActOptions & { readonly outcome: 'justified' | 'unjustified'; readonly reviewer: string };

function registerBreakGlass(program: Command, breakGlass: Command): void {
  registerOperations(program, breakGlassOperations);
  addReason(breakGlass.command('review'))
    .description('review an emergency access in the name of another user, and end it if it is still open')
    .argument('<break_glass_id>')
    .addOption(
      new Option('--outcome <outcome>', 'what the reviewer found')
        .choices(['justified', 'unjustified'])
        .makeOptionMandatory(),
    )
    .requiredOption('--reviewer <user>', 'user who reviewed it, by id or e-mail address')
    .action((asked: string, _own, command: Command) =>
      onAccounts<ReviewOptions>(command, async (ports, output, options) => {
        const id = uuidOf(asked, 'sallyport privacy break-glass list');
        const { outcome, reason } = options;
        const { id: reviewer } = await showUser(ports, { user_id: await findUserId(ports, options.reviewer) });
        const act = () => reviewBreakGlass(ports, { break_glass_id: id, outcome, reason, reviewer }, caller);
        await actAsked(output, options, `record that the emergency access ${id} was ${outcome}`, act, (row) => [
          breakGlassLine(row),
        ]);
      }),
    );
}

const useLine = (use: PhiUseView): string =>
  [
    String(use.seq).padStart(8),
    use.occurred_at,
    use.type.padEnd(14),
    use.outcome.padEnd(8),
    (use.purpose ?? '').padEnd(18),
    use.actor,
    [use.basis, use.reference].filter(Boolean).join(' '),
  ].join('  ');
