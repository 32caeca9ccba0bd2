import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Command } from 'commander';
import { auditLogEmpty } from '#services/core/audit/errors.ts';
import { joinNotes } from '#services/core/audit/log/rotation.ts';
import { proveEvent } from '#services/core/audit/read/prove-event.ts';
import { readEvent } from '#services/core/audit/read/read-event.ts';
import { listOrigins, readVkeysOf } from '#services/core/audit/read/read-log.ts';
import { type AuditValidationResult, validateAuditTrail } from '#services/core/audit/trail/validate-audit-trail.ts';
import { repositoryRoot } from '#services/platform/local/data-dir.ts';
import { rehearsed } from '../admin.ts';
import { listed } from '../arguments.ts';
import { CommandError, type ExitCode, exitCodes } from '../exit-codes.ts';
import { createOutput, type GlobalOptions, type Output } from '../output.ts';
import { type AuditPorts, seqOf, withAuditLog } from './ports.ts';

const VERIFIER = join(repositoryRoot, 'tools/verify-audit-log.mjs');

type VerifyOptions = GlobalOptions & { readonly vkey?: string[]; readonly state?: string; readonly complete?: boolean };

/** `sallyport audit verify [FILE]`, `prove <seq>` and `key`. */
export function registerAuditVerify(audit: Command): void {
  audit
    .command('verify')
    .description(
      'verify the whole running log, or an export (folder, tar) or URL with the offline verifier; exits with 6 if it has no key to trust',
    )
    .argument('[file]', 'an export (folder or tar), or https://HOST/v1/audit/log; without it, the running log')
    .option('--vkey <key...>', 'keys to trust, obtained elsewhere; for an export or URL', listed)
    .option('--state <file>', 'file that keeps the last verified state of the log and its keys; for an export or URL')
    .option('--complete', 'fail if the export leaves out entries')
    .action((file: string | undefined, _own, command: Command) => {
      const options = command.optsWithGlobals<VerifyOptions>();
      if (file !== undefined) return verifyFile(file, options);
      if (options.vkey || options.state || options.complete)
        throw new CommandError(exitCodes.usage, '--vkey, --state and --complete belong to an export', 'name it');
      return withAuditLog((ports) => verifyRunning(ports, createOutput(options)));
    });
  audit
    .command('key')
    .description('print the verifier keys of the log, to give to auditors: they pin them with --vkey')
    .action((_own, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      return withAuditLog((ports) => showKey(ports, createOutput(options)));
    });
  audit
    .command('prove')
    .description('write leaf, proof and key of one event to files, and print the command that verifies them offline')
    .argument('<seq>', 'number of the event')
    .option('--out <dir>', 'folder to write the files to', '.')
    .action((seq: string, _own, command: Command) => {
      const options = command.optsWithGlobals<ProveOptions>();
      return withAuditLog((ports) => prove(ports, createOutput(options), seqOf(seq, 'prove'), options));
    });
}

/** Prints the keys of the log in use, one a line, for auditors to pin. */
async function showKey(ports: AuditPorts, output: Output): Promise<void> {
  const log = (await listOrigins(ports)).at(-1);
  if (log === undefined) throw auditLogEmpty();
  const vkeys = (await readVkeysOf(ports, log.origin)).trimEnd().split('\n');
  output.data({ origin: log.origin, vkeys }, () => vkeys);
}

type ProveOptions = GlobalOptions & { readonly out: string };

async function verifyRunning(ports: AuditPorts, output: Output): Promise<void> {
  const result = await validateAuditTrail(ports, await ports.outsideHeads());
  output.data(resultJson(result), () => resultLines(result));
  if (!result.valid) throw new CommandError(exitCodes.checkFailed, faultOf(result));
}

const resultJson = (result: AuditValidationResult): object => ({
  valid: result.valid,
  checked: result.checked,
  first_bad_id: result.firstBadId,
  gaps: result.gaps,
  faults: result.faults,
  fault_count: result.faultCount,
  losses: result.losses.map(({ continuedAs, ...loss }) => ({ ...loss, continued_as: continuedAs })),
  logs: result.logs.map(({ origin, firstSeq, size, root }) => ({ origin, first_seq: firstSeq, size, root })),
});

const gapText = ({ from, to }: { from: number; to: number }): string =>
  from === to ? `event ${from} is missing` : `events ${from} to ${to} are missing`;

const faultOf = ({ gaps, faults, firstBadId }: AuditValidationResult): string => {
  const gap = gaps.find(({ from }) => from === firstBadId);
  return gap
    ? gapText(gap)
    : ((faults.find(({ seq }) => seq === firstBadId) ?? faults[0])?.message ?? 'the log is damaged');
};

const resultLines = ({ valid, checked, logs, gaps, faults, faultCount, losses }: AuditValidationResult): string[] => [
  `${valid ? 'valid' : 'INVALID'}    ${checked} events`,
  ...logs.map(
    ({ origin, firstSeq, size, root }) => `log      ${origin}  from event ${firstSeq}, ${size} events, root ${root}`,
  ),
  ...losses.map(
    ({ origin, from, to, continuedAs }) => `LOST     events ${from} to ${to} of ${origin}, accepted by ${continuedAs}`,
  ),
  ...gaps.map((gap) => `GAP      ${gapText(gap)}`),
  ...faults.map(({ code, message }) => `FAULT    ${code}: ${message}`),
  ...(faultCount > faults.length ? [`FAULT    and ${faultCount - faults.length} more`] : []),
];

/** Runs the verifier that shares no code with the sealer; the command ends with its exit code. */
function verifyFile(file: string, options: VerifyOptions): Promise<void> {
  const args = [
    ...(options.vkey ?? []).flatMap((key) => ['--vkey', key]),
    ...(options.state ? ['--state', options.state] : []),
    ...(options.complete ? ['--complete'] : []),
    ...(options.json ? ['--json'] : []),
    ...(options.quiet ? ['--quiet'] : []),
  ];
  const child = spawn(process.execPath, [VERIFIER, ...args, '--', file], { stdio: 'inherit' });
  return new Promise((done, fail) => {
    child.once('error', fail).once('close', (code) => {
      process.exitCode = (code ?? exitCodes.checkFailed) as ExitCode;
      done();
    });
  });
}

async function prove(ports: AuditPorts, output: Output, seq: number, options: ProveOptions): Promise<void> {
  const { out } = options;
  const event = await readEvent(ports, seq);
  if (rehearsed(output, options, `write leaf, proof and key of event ${seq} to ${out}`)) return;
  const rotations = joinNotes(await ports.auditKeyRotations());
  const contents = {
    leaf: Buffer.from(event.leaf, 'base64'),
    proof: Buffer.from(await proveEvent(ports, seq)),
    vkey: Buffer.from(await readVkeysOf(ports, event.origin)),
    ...(rotations === '' ? {} : { 'key-rotations': Buffer.from(rotations) }),
  };
  const files = {
    leaf: join(out, `${seq}.leaf`),
    proof: join(out, `${seq}.tlog-proof`),
    vkey: join(out, `${seq}.vkey`),
    ...(rotations === '' ? {} : { 'key-rotations': join(out, `${seq}.key-rotations`) }),
  };
  await mkdir(out, { recursive: true });
  for (const [name, bytes] of Object.entries(contents)) await writeFile(files[name as keyof typeof contents]!, bytes);
  const script = relative(process.cwd(), VERIFIER);
  const verify = ['node', script, '--proof', files.proof, '--leaf', files.leaf, '--vkey', files.vkey]
    .map(quoted)
    .join(' ');
  output.say(`event ${seq} is entry ${event.index} of ${event.origin}; check it offline with the command below`);
  output.say('an auditor gives --vkey a key from before, and `--rotations` if it was replaced since');
  output.data({ seq, origin: event.origin, index: event.index, files, verify }, () => [verify]);
}

const quoted = (text: string): string => (/^[\w./:+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
