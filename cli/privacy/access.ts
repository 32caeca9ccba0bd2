import { type Command, Option } from 'commander';
import { showUser } from '#services/domain/identity/admin/read-users.ts';
import { findUserId } from '#services/domain/identity/users/find-user-id.ts';
import {
  addRestrictionEndpoint,
  type FieldPolicyView,
  type RestrictionView,
  setFieldPolicyEndpoint,
} from '#services/domain/privacy/access/access-contract.ts';
import { type BreakGlassView, listBreakGlass, reviewBreakGlass } from '#services/domain/privacy/access/break-glass.ts';
import {
  deleteFieldPolicy,
  listFieldPolicies,
  setFieldPolicy,
} from '#services/domain/privacy/access/field-policies.ts';
import { listPhiUses, type PhiUseView } from '#services/domain/privacy/access/list-phi-uses.ts';
import { addRestriction, endRestriction, listRestrictions } from '#services/domain/privacy/access/restrictions.ts';
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
import { checked, uuidOf } from '../arguments.ts';
import { caller, type ForPurpose, type ForPurposes, purposeOption, purposesOption, subjectOf } from './common.ts';

/** `sallyport privacy accesses|policies|break-glass|restrictions`. */
export function registerAccess(privacy: Command): void {
  addPage(privacy.command('accesses'))
    .description('list the sealed uses and disclosures of the health data of a person, newest first')
    .argument('<subject_id>')
    .action((subject: string, _own, command: Command) =>
      onDatabase<ListOptions>(command, async (ports, output, options) => {
        const found = await listPhiUses(ports, { subjectId: subjectOf(subject), ...pageOf(options) });
        listPage(output, 'accesses', found, useLine);
      }),
    );
  registerPolicies(privacy.command('policies').description('decide which role sees which fields: list, set, delete'));
  registerBreakGlass(privacy.command('break-glass').description('follow up emergency access: list, review'));
  registerRestrictions(
    privacy.command('restrictions').description('restrict uses that a person asked to restrict: list, add, end'),
  );
}

type PolicyOptions = ActOptions & ForPurpose;

function registerPolicies(policies: Command): void {
  policies
    .command('list')
    .description('list which fields each role sees for each purpose')
    .action((_own, command: Command) =>
      onDatabase(command, async (ports, output) =>
        output.data({ policies: await listFieldPolicies(ports) }, ({ policies: rows }) => rows.map(policyLine)),
      ),
    );
  addReason(policies.command('set'))
    .description('set which fields a role sees for a purpose; a path names everything below it, * every field')
    .argument('<role>')
    .argument('<fields...>')
    .addOption(purposeOption('why the role uses the data'))
    .action((role: string, names: string[], _own, command: Command) =>
      onDatabase<PolicyOptions>(command, async (ports, output, { purpose, ...options }) => {
        const { fields, reason } = checked(setFieldPolicyEndpoint, { fields: names, reason: options.reason });
        const act = () => setFieldPolicy(ports, { role, purpose, fields, reason }, caller);
        const what = `let ${role} see ${fields.join(', ')} for ${purpose}`;
        await actAsked(output, options, what, act, (policy) => [policyLine(policy)]);
      }),
    );
  addReason(policies.command('delete'))
    .description('delete a policy, so that the role sees nothing for the purpose')
    .argument('<role>')
    .addOption(purposeOption('purpose of the policy'))
    .action((role: string, _own, command: Command) =>
      onDatabase<PolicyOptions>(command, async (ports, output, { purpose, ...options }) => {
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

function registerBreakGlass(breakGlass: Command): void {
  addPage(breakGlass.command('list'))
    .description('list emergency accesses, newest first')
    .option('--unreviewed', 'only those that wait for a review')
    .action((_own, command: Command) =>
      onDatabase<ListOptions & { readonly unreviewed?: true }>(command, async (ports, output, options) => {
        const reviewed = options.unreviewed ? false : undefined;
        listPage(output, 'break_glass', await listBreakGlass(ports, { reviewed, ...pageOf(options) }), breakGlassLine);
      }),
    );
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
        const { id: reviewer } = await showUser(ports, await findUserId(ports, options.reviewer));
        const act = () => reviewBreakGlass(ports, { id, outcome, reason, reviewer }, caller);
        await actAsked(output, options, `record that the emergency access ${id} was ${outcome}`, act, (row) => [
          breakGlassLine(row),
        ]);
      }),
    );
}

function registerRestrictions(restrictions: Command): void {
  restrictions
    .command('list')
    .description('list the restrictions of a person, newest first')
    .argument('<subject_id>')
    .action((subject: string, _own, command: Command) =>
      onDatabase(command, async (ports, output) => {
        const found = await listRestrictions(ports, { subjectId: subjectOf(subject) });
        output.data({ restrictions: found }, (shown) => shown.restrictions.map(restrictionLine));
      }),
    );
  addReason(restrictions.command('add'))
    .description('deny every use of a person’s data for these purposes, except in an emergency')
    .argument('<subject_id>')
    .addOption(purposesOption('purposes to deny').makeOptionMandatory())
    .action((subject: string, _own, command: Command) =>
      onDatabase<ActOptions & ForPurposes>(command, async (ports, output, options) => {
        const subjectId = subjectOf(subject);
        const { purposes, reason } = options;
        const input = checked(addRestrictionEndpoint, { purposes, reason });
        const act = () => addRestriction(ports, { subjectId, ...input }, caller);
        await actAsked(output, options, `deny ${input.purposes.join(', ')} for ${subjectId}`, act, (row) => [
          restrictionLine(row),
        ]);
      }),
    );
  addReason(restrictions.command('end'))
    .description('end a restriction')
    .argument('<subject_id>')
    .argument('<restriction_id>')
    .action((subject: string, asked: string, _own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        const subjectId = subjectOf(subject);
        const restrictionId = uuidOf(asked, `sallyport privacy restrictions list ${subjectId}`);
        const act = () => endRestriction(ports, { subjectId, restrictionId, reason: options.reason }, caller);
        await actAsked(output, options, `end the restriction ${restrictionId}`, act, (row) => [restrictionLine(row)]);
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
const policyLine = ({ role, purpose, fields }: FieldPolicyView): string =>
  `${role.padEnd(16)}  ${purpose.padEnd(18)}  ${fields.join(',')}`;
const breakGlassLine = (row: BreakGlassView): string =>
  [
    row.break_glass_id,
    row.opened_at,
    `until ${row.expires_at}`,
    `${row.user_id} to ${row.subject_id}`,
    row.outcome === null ? 'not reviewed' : `${row.outcome}, by ${row.reviewed_by}`,
  ].join('  ');
const restrictionLine = (row: RestrictionView): string =>
  [
    row.restriction_id,
    row.subject_id,
    row.purposes.join(','),
    `since ${row.created_at}`,
    row.ended_at === null ? 'in effect' : `ended ${row.ended_at}`,
  ].join('  ');
