import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, open, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { exportAuditLog, seqRangeOfTime } from '#services/core/audit/read/export-audit-log.ts';
import { auditReportCsv, auditReportJson } from '#services/core/audit/read/format-audit-report.ts';
import { generateAuditReport } from '#services/core/audit/read/generate-audit-report.ts';
import { rehearsed } from '../admin.ts';
import { instantOf } from '../arguments.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { createOutput, type GlobalOptions, type Output } from '../output.ts';
import { type AuditPorts, seqOf, withAuditLog } from './ports.ts';

type ExportOptions = GlobalOptions & { out: string; from?: string; to?: string; personal: boolean };
type ReportOptions = GlobalOptions & { start: string; end: string; format?: string; out?: string };

export function registerAuditExport(audit: Command): void {
  audit
    .command('export')
    .description(
      'export the log as files that can be verified offline: entries, tiles, checkpoints, keys, personal values',
    )
    .requiredOption('--out <dir>', 'a new or empty folder')
    .option('--from <seq or time>', 'first entry; the tree is always complete')
    .option('--to <seq or time>', 'last entry, inclusive')
    .option('--no-personal', 'omit the values behind the commitments')
    .action((_own, command: Command) => {
      const options = command.optsWithGlobals<ExportOptions>();
      return withAuditLog((ports) => exportLog(ports, createOutput(options), options), { reads: 'replica' });
    });
  audit
    .command('report')
    .description('report every event of a period, with counts; both ends inclusive')
    .requiredOption('--start <time>', 'a day (UTC) or a time')
    .requiredOption('--end <time>', 'a day (UTC) or a time')
    .option('--format <format>', 'json or csv', 'json')
    .option('--out <file>', 'a file instead of standard output')
    .action((_own, command: Command) => {
      const options = command.optsWithGlobals<ReportOptions>();
      return withAuditLog((ports) => report(ports, createOutput(options), options), { reads: 'replica' });
    });
}

const sayAge = ({ asOf }: AuditPorts, output: Output): void => {
  if (asOf !== null) output.say(`read from the read replica, as of ${asOf}`);
};

async function exportLog(ports: AuditPorts, output: Output, options: ExportOptions): Promise<void> {
  sayAge(ports, output);
  const range = await rangeOf(ports, options);
  if ((await readdir(options.out).catch(() => [])).length > 0)
    throw new CommandError(exitCodes.usage, `${options.out} is not empty`, 'choose a new folder');
  if (rehearsed(output, options, `write events ${range.fromSeq} to ${range.toSeq} to ${options.out}`)) return;
  await mkdir(options.out, { recursive: true, mode: 0o700 });
  const written = { files: 0, bytes: 0 };
  for await (const { path, bytes } of exportAuditLog(ports, { ...range, personal: options.personal })) {
    const file = join(options.out, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const handle = await open(file, path === 'personal.jsonl' || path.endsWith('/personal.jsonl') ? 'a' : 'wx', 0o600);
    try {
      if ((await handle.stat()).size === 0) written.files += 1;
      await handle.writeFile(bytes);
    } finally {
      await handle.close();
    }
    written.bytes += bytes.byteLength;
  }
  output.say(`check it with: sallyport audit verify ${options.out} --vkey <a key you had before>`);
  output.data({ out: options.out, ...written }, () => [
    `${options.out}  ${written.files} files, ${written.bytes} bytes`,
  ]);
}

/** Takes sequence numbers as they are, and converts times to the events of that time. */
async function rangeOf(
  ports: AuditPorts,
  { from, to }: ExportOptions,
): Promise<{ readonly fromSeq: number; readonly toSeq: number }> {
  const isSeq = (text: string | undefined): boolean => text === undefined || /^\d+$/.test(text);
  if (isSeq(from) && isSeq(to))
    return {
      fromSeq: from === undefined ? 0 : seqOf(from, '--from'),
      toSeq: to === undefined ? Number.MAX_SAFE_INTEGER - 1 : seqOf(to, '--to'),
    };
  if ((from !== undefined && isSeq(from)) || (to !== undefined && isSeq(to)))
    throw new CommandError(exitCodes.usage, '--from and --to are both numbers or both times');
  const range = await seqRangeOfTime(
    ports,
    from === undefined ? '-infinity' : instantOf(from, '--from', 'first'),
    to === undefined ? 'infinity' : instantOf(to, '--to', 'last'),
  );
  if (range === null) throw new CommandError(exitCodes.usage, 'no event of that period was sealed');
  return { fromSeq: range.first, toSeq: range.last };
}

const formats = { json: auditReportJson, csv: auditReportCsv } as const;

async function report(ports: AuditPorts, output: Output, options: ReportOptions): Promise<void> {
  sayAge(ports, output);
  const format = options.format as keyof typeof formats;
  if (!Object.hasOwn(formats, format)) throw new CommandError(exitCodes.usage, '--format takes json or csv');
  const [start, end] = [instantOf(options.start, '--start', 'first'), instantOf(options.end, '--end', 'last')];
  const exists = (cause?: unknown): CommandError =>
    new CommandError(exitCodes.usage, `${options.out} already exists`, 'choose a new file', { cause });
  if (options.out !== undefined && existsSync(options.out)) throw exists();
  if (options.out !== undefined && rehearsed(output, options, `write the report to ${options.out}`)) return;
  const made = await generateAuditReport(ports, { start, end });
  if (made.unsealed > 0) output.say(`${made.unsealed} events of that period are not sealed yet and not in the report`);
  const parts = Readable.from(formats[format](made));
  if (options.out === undefined) return pipeline(parts, process.stdout, { end: false });
  await pipeline(parts, createWriteStream(options.out, { flags: 'wx', mode: 0o600 })).catch((cause) => {
    if (cause.code !== 'EEXIST') throw cause;
    throw exists(cause);
  });
  output.data({ out: options.out, total: made.total, counts: made.counts }, () => [
    `${options.out}  ${made.total} events`,
  ]);
}
