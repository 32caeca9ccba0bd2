import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { writeBytesAtOnce } from '#services/platform/backups/file-place.ts';
import {
  readReport,
  readReportBundle,
  readReportCsv,
  readReportPdf,
} from '../services/wings/compliance/reports/read-report.ts';
import { reportLine } from '../services/wings/compliance/reports/report-line.ts';
import { requestReport } from '../services/wings/compliance/reports/request-report.ts';
import { type VerifiedBundle, verifyBundle } from '../services/wings/compliance/reports/verify-bundle.ts';
import { onDatabase, rehearsed } from './admin.ts';
import { listed, textOfFile, uuidOf, wholeNumberOf } from './arguments.ts';
import { systemCaller } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import type { Register } from './operations.ts';
import { createOutput, type GlobalOptions } from './output.ts';

const caller = systemCaller('sallyport report');
const LISTING = 'sallyport report list';
const POLL_MS = 1_000;

type ShowOptions = GlobalOptions & { readonly bundle?: string; readonly pdf?: string; readonly csv?: string };

/** `sallyport report run|list|show|verify`; all but `verify` directly on the database. */
export function registerReport(program: Command, addOperations: Register): void {
  const report = program.command('report');
  report
    .command('run')
    .description('request a compliance report and wait until a worker has built it')
    .option('--wait <seconds>', 'how long to wait; 0: only request it', '600')
    .action((_own, command: Command) =>
      onDatabase<GlobalOptions & { readonly wait: string }>(command, async (ports, output, options) => {
        const waitSeconds = wholeNumberOf('--wait', options.wait, 0, 86_400);
        const { report_id: id } = await requestReport(ports, {}, caller);
        if (rehearsed(output, options, 'request a compliance report')) return;
        output.say(`report ${id} is requested`);
        const until = ports.clock.monotonic() + waitSeconds * 1_000;
        let shown = await readReport(ports, id);
        while (shown.ended_at === null && ports.clock.monotonic() < until) {
          await sleep(POLL_MS);
          shown = await readReport(ports, id);
        }
        output.data(shown, (view) => [reportLine(view)]);
        if (waitSeconds > 0 && shown.status !== 'done')
          throw new CommandError(
            exitCodes.checkFailed,
            `the report is ${shown.status} at ${shown.progress} %`,
            'start a worker, or look again with sallyport report show',
          );
      }),
    );
  addOperations(program);
  report
    .command('show')
    .description('show a compliance report, or write its files')
    .argument('<report_id>')
    .option('--bundle <file>', 'write the signed bundle to this file')
    .option('--pdf <file>', 'write the report for people to this file')
    .option('--csv <file>', 'write the evidence as CSV to this file')
    .action((asked: string, _own, command: Command) =>
      onDatabase<ShowOptions>(command, async (ports, output, options) => {
        const id = uuidOf(asked, LISTING);
        const files = [
          [options.bundle, readReportBundle],
          [options.pdf, readReportPdf],
          [options.csv, readReportCsv],
        ] as const;
        for (const [file, read] of files) {
          if (file === undefined) continue;
          await writeBytesAtOnce(file, await read(ports, id));
          output.say(`wrote ${file}`);
        }
        output.data(await readReport(ports, id), (view) => [reportLine(view), JSON.stringify(view, null, 2)]);
      }),
    );
  report
    .command('verify')
    .description('verify a bundle offline: its signature, each item, and the place of each item in the audit log')
    .argument('<file>')
    .option('--vkey <key...>', 'verifier keys of the audit log, obtained elsewhere', listed)
    .action(async (file: string, _own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { readonly vkey?: string[] }>();
      const output = createOutput(options);
      const result = verifyBundle(await textOfFile(file, 'sallyport report show ID --bundle FILE'), options.vkey ?? []);
      if (!result.pinned)
        output.say('the keys come from the bundle itself: compare them with /v1/audit/log/vkey, or give --vkey');
      output.data(resultOf(result), () => linesOf(result));
      const [first] = result.faults;
      if (first) throw new CommandError(exitCodes.checkFailed, `${first.item}: ${first.why}`);
    });
}

const resultOf = ({ valid, pinned, faults, report }: VerifiedBundle): object => ({
  valid,
  pinned,
  faults,
  report_id: report?.report_id ?? null,
  origin: report?.origin ?? null,
  vkeys: report?.vkeys ?? [],
  summary: report?.summary ?? null,
});

const linesOf = ({ valid, faults, report }: VerifiedBundle): string[] => [
  `${valid ? 'valid' : 'INVALID'}  ${report?.report_id ?? ''}  ${report?.controls.length ?? 0} controls`,
  ...faults.map(({ item, why }) => `${item}: ${why}`),
];
