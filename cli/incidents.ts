import type { Command } from 'commander';
import { listUnevaluated, retryEvent, type UnevaluatedView } from '../services/core/security/retry-unevaluated.ts';
import {
  type ActOptions,
  actAsked,
  addPage,
  addReason,
  type ListOptions,
  listPage,
  onDatabase,
  pageOf,
} from './admin.ts';
import { wholeNumberOf } from './arguments.ts';
import { systemCaller } from './database-ports.ts';
import type { Register } from './operations.ts';

const caller = systemCaller('sallyport incidents');

/** `sallyport incidents unjudged|retry`, directly on the database; the other verbs are operations. */
export function registerIncidents(program: Command, addOperations: Register): void {
  addOperations(program);
  const incidents = program.commands.find((verb) => verb.name() === 'incidents') as Command;
  addPage(incidents.command('unjudged'))
    .description('list events that detections could not evaluate, oldest first; they wait for a retry or are set aside')
    .action((_own, command: Command) =>
      onDatabase<ListOptions>(command, async (ports, output, options) => {
        listPage(output, 'events', await listUnevaluated(ports, pageOf(options)), unevaluatedLine);
      }),
    );
  addReason(incidents.command('retry'))
    .description('evaluate again an event that was set aside')
    .argument('<seq>')
    .action((asked: string, _own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        const seq = wholeNumberOf('<seq>', asked, 0, Number.MAX_SAFE_INTEGER);
        const act = () => retryEvent(ports, { seq, reason: options.reason }, caller);
        await actAsked(output, options, `evaluate event ${seq} again`, act, () => [
          `event ${seq} will be evaluated within seconds`,
        ]);
      }),
    );
}

const unevaluatedLine = ({ seq, type, tries, failure, failed_at, next_try_at }: UnevaluatedView): string =>
  `${failed_at}  ${String(seq).padEnd(9)}  ${type.padEnd(24)}  ${tries}x ${failure}  ${next_try_at === null ? 'set aside' : `next try ${next_try_at}`}`;
