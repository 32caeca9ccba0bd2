import type { Command } from 'commander';
// Declares the events of every module, so that an erasure knows what their leaves show.
import '#services/modules.ts';
import { erasePersonal } from '#services/core/audit/erase-personal.ts';
import { continueLog, planContinue } from '#services/core/audit/seal/continue-log.ts';
import { findUserId } from '#services/core/identity/users/find-user-id.ts';
import { addReason, rehearsed } from '../admin.ts';
import { requireReason } from '../arguments.ts';
import { confirm } from '../confirm.ts';
import { systemCaller } from '../database-ports.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { createOutput, type GlobalOptions, type Output } from '../output.ts';
import { registerAuditExport } from './export.ts';
import { type AuditPorts, withAuditLog } from './ports.ts';
import { registerAuditTail } from './tail.ts';
import { registerAuditVerify } from './verify.ts';

const caller = systemCaller('sallyport audit');

/** `sallyport audit tail|verify|key|prove|export|report|continue|erase`, directly on the database. */
export function registerAudit(program: Command): void {
  const audit = program.command('audit');
  registerAuditTail(audit);
  registerAuditVerify(audit);
  registerAuditExport(audit);
  addReason(audit.command('continue'), 'why, for the log')
    .description(
      'begin a new log after a restored backup lost events; its first event names the last signed head of the old log',
    )
    .action((_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { reason: string }>();
      return withAuditLog((ports) => goOn(ports, createOutput(options), options));
    });
  audit
    .command('erase')
    .description('erase the personal values of a user’s events; events and proofs stay valid')
    .argument('<user>', 'user id or, while the account exists, e-mail address')
    .action((user: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      return withAuditLog((ports) => erase(ports, createOutput(options), options, user), { isHeldToMarks: true });
    });
}

async function goOn(ports: AuditPorts, output: Output, options: GlobalOptions & { reason: string }): Promise<void> {
  requireReason(options.reason);
  const loss = await planContinue(ports);
  if (loss === null) throw new CommandError(exitCodes.refused, 'the log has no loss to accept');
  const lines = [
    `held  ${loss.held.origin}  ${loss.held.size} events  ${loss.held.root}`,
    `lost  ${loss.lost.origin}  ${loss.lost.size} events  ${loss.lost.root}`,
  ];
  if (options.dryRun) {
    output.say('would close the log and begin a new one; nothing was done');
    return output.data(loss, () => lines);
  }
  for (const line of lines) output.say(line);
  if (!options.yes) await confirm('Accept the loss of the events in between, and begin a new log?');
  const { origin, firstSeq, held, lost } = await continueLog(ports, { reason: options.reason }, caller);
  output.say('sealing continues by itself; notify the verifiers that pin the log of its new name');
  output.data({ origin, first_seq: firstSeq, held, lost }, () => [`log   ${origin}  from event ${firstSeq}`]);
}

async function erase(ports: AuditPorts, output: Output, options: GlobalOptions, user: string): Promise<void> {
  if (user.length === 0 || user.length > 255) throw new CommandError(exitCodes.usage, 'a user id is required');
  const userId = await findUserId(ports, user);
  if (rehearsed(output, options, `erase the personal values of ${userId}`)) return;
  if (!options.yes) await confirm(`Erase the personal values of every event of ${userId}? This cannot be undone.`);
  const { values, unsealed } = await erasePersonal(ports, { subject: userId }, caller);
  output.data({ user_id: userId, values, unsealed }, () => [
    `erased  ${values} values; ${unsealed} of the events are not sealed yet`,
  ]);
}
