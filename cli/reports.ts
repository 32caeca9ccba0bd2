import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { writeBytesAtOnce } from '#services/platform/backups/file-place.ts';
import {
  readSecurityReport,
  readSecurityReportCsv,
  readSecurityReportFile,
} from '../services/wings/monitoring/reports/read-security-report.ts';
import { reportLine } from '../services/wings/monitoring/reports/report-line.ts';
import {
  REPORT_DAYS_MAX,
  requestSecurityReport,
} from '../services/wings/monitoring/reports/request-security-report.ts';
import { onDatabase, rehearsed } from './admin.ts';
import { uuidOf, wholeNumberOf } from './arguments.ts';
import { systemCaller } from './database-ports.ts';
import { CommandError, exitCodes } from './exit-codes.ts';
import type { Register } from './operations.ts';
import type { GlobalOptions } from './output.ts';

const caller = systemCaller('sallyport reports');
const LISTING = 'sallyport reports list';
const POLL_MS = 500;
const DAY_MS = 86_400_000;

type RunOptions = GlobalOptions & { readonly days: string; readonly wait: string };
type ShowOptions = GlobalOptions & { readonly file?: string; readonly csv?: string };

/** `sallyport reports run|list|show`, directly on the database. */
export function registerReports(program: Command, addOperations: Register): void {
  const reports = program.command('reports');
  reports
    .command('run')
    .description('request a security report and wait until a worker has made it')
    .option('--days <days>', `of so many days before the current hour, at most ${REPORT_DAYS_MAX}`, '7')
    .option('--wait <seconds>', 'how long to wait; 0: only request it', '120')
    .action((_own, command: Command) =>
      onDatabase<RunOptions>(command, async (ports, output, options) => {
        const days = wholeNumberOf('--days', options.days, 1, REPORT_DAYS_MAX);
        const waitSeconds = wholeNumberOf('--wait', options.wait, 0, 86_400);
        const from = new Date(ports.clock.now() - days * DAY_MS).toISOString();
        const { report_id: id } = await requestSecurityReport(ports, { from }, caller);
        if (rehearsed(output, options, `request a security report of ${days} days`)) return;
        output.say(`report ${id} is requested`);
        const until = ports.clock.monotonic() + waitSeconds * 1_000;
        let shown = await readSecurityReport(ports, { report_id: id });
        while (shown.status === 'queued' && ports.clock.monotonic() < until) {
          await sleep(POLL_MS);
          shown = await readSecurityReport(ports, { report_id: id });
        }
        output.data(shown, (view) => [reportLine(view)]);
        if (waitSeconds > 0 && shown.status !== 'done')
          throw new CommandError(
            exitCodes.checkFailed,
            `the report is ${shown.status}`,
            'start a worker, or look again with sallyport reports show',
          );
      }),
    );
  addOperations(program);
  reports
    .command('show')
    .description('show a security report, or write its files')
    .argument('<report_id>')
    .option('--file <file>', 'write the report as JSON to this file')
    .option('--csv <file>', 'write its days as CSV to this file')
    .action((asked: string, _own, command: Command) =>
      onDatabase<ShowOptions>(command, async (ports, output, options) => {
        const input = { report_id: uuidOf(asked, LISTING) };
        const files = [
          [options.file, readSecurityReportFile],
          [options.csv, readSecurityReportCsv],
        ] as const;
        for (const [file, read] of files) {
          if (file === undefined) continue;
          await writeBytesAtOnce(file, await read(ports, input));
          output.say(`wrote ${file}`);
        }
        output.data(await readSecurityReport(ports, input), (view) => [reportLine(view)]);
      }),
    );
}
