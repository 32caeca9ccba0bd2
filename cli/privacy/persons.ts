import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { type DisclosureView, recordDisclosureEndpoint } from '#services/domain/privacy/access/access-contract.ts';
import { listDisclosures, recordDisclosure } from '#services/domain/privacy/access/disclosures.ts';
import {
  type PrivacyRequestView,
  readExport,
  readPrivacyRequest,
  requestPrivacyJob,
} from '#services/domain/privacy/access/privacy-requests.ts';
import { recordConsentEndpoint, withdrawConsentEndpoint } from '#services/domain/privacy/consent/consent-contract.ts';
import {
  type ConsentView,
  listConsents,
  manageConsentWithdrawal,
  recordUserConsent,
  validateUserConsent,
} from '#services/domain/privacy/consent/user-consent.ts';
import {
  type ActOptions,
  actAsked,
  addPage,
  addReason,
  type ListOptions,
  listPage,
  onDatabase,
  pageOf,
  rehearsed,
} from '../admin.ts';
import { checked, instantOf, uuidOf } from '../arguments.ts';
import { systemCaller } from '../database-ports.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import type { GlobalOptions } from '../output.ts';
import {
  caller,
  type ForPurpose,
  type ForPurposes,
  purposeOption,
  purposesOption,
  subjectOf,
  unwoken,
  withPhiKeys,
} from './common.ts';

/** `sallyport privacy disclosures|consents|export|delete|request`. */
export function registerPersons(privacy: Command): void {
  registerDisclosures(privacy.command('disclosures').description('account for disclosures: list, add'));
  registerConsents(privacy.command('consents').description('record and check consent: list, check, record, withdraw'));
  registerRequest(
    privacy,
    'export',
    'request an export of what Sallyport knows about a person; a worker makes it',
    'export',
  );
  registerRequest(
    privacy,
    'delete',
    'request that a worker destroys the keys of a person for good; `request` shows the receipt',
    'deletion',
  );
  privacy
    .command('request')
    .description('show the state and the receipt of an export or a deletion')
    .argument('<request_id>')
    .option('--out <file>', 'write the finished export to this file; it contains personal data')
    .action((asked: string, _own, command: Command) =>
      onDatabase<GlobalOptions & { readonly out?: string }>(command, async (ports, output, { out }) => {
        const id = uuidOf(asked, 'sallyport privacy export');
        if (out !== undefined) {
          const found = await readExport(withPhiKeys(ports), id, systemCaller('sallyport privacy request'));
          await writeFile(out, `${JSON.stringify(found, null, 2)}\n`, { mode: 0o600 });
          output.say(`wrote ${out}`);
        }
        output.data(await readPrivacyRequest(ports, id), (row) => [requestLine(row)]);
      }),
    );
}

function registerRequest(privacy: Command, verb: string, summary: string, kind: 'export' | 'deletion'): void {
  addReason(privacy.command(verb))
    .description(summary)
    .argument('<subject_id>')
    .action((subject: string, _own, command: Command) =>
      onDatabase<ActOptions>(command, async (ports, output, options) => {
        const subjectId = subjectOf(subject);
        const act = () =>
          requestPrivacyJob({ ...ports, ...unwoken }, { kind, subjectId, reason: options.reason }, caller);
        const what =
          kind === 'export' ? `export the data of ${subjectId}` : `destroy the keys of ${subjectId} for good`;
        await actAsked(output, options, what, act, (row) => [requestLine(row)]);
      }),
    );
}

function registerDisclosures(disclosures: Command): void {
  addPage(disclosures.command('list'))
    .description('list the disclosures of six years, without treatment, payment and operations')
    .argument('<subject_id>')
    .action((subject: string, _own, command: Command) =>
      onDatabase<ListOptions>(command, async (ports, output, options) => {
        const found = await listDisclosures(withPhiKeys(ports), { subjectId: subjectOf(subject), ...pageOf(options) });
        listPage(output, 'disclosures', found, disclosureLine);
      }),
    );
  disclosures
    .command('add')
    .description(
      'log a disclosure to a third party; {"recipient", "description"} comes on standard input and is encrypted',
    )
    .argument('<subject_id>')
    .addOption(purposeOption('purpose of the disclosure'))
    .requiredOption('--at <time>', 'when it was made: a day, or a time as 2026-01-31T08:00:00Z')
    .action((subject: string, _own, command: Command) =>
      onDatabase<GlobalOptions & ForPurpose & { readonly at: string }>(command, async (ports, output, options) => {
        const subjectId = subjectOf(subject);
        const disclosed_at = new Date(instantOf(options.at, '--at', 'first')).toISOString();
        const words = wordsOf(readFileSync(0, 'utf8'));
        const input = checked(recordDisclosureEndpoint, { ...words, purpose: options.purpose, disclosed_at });
        if (rehearsed(output, options, `record a disclosure of data of ${subjectId}`)) return;
        const { disclosed_at: disclosedAt, ...rest } = input;
        const done = await recordDisclosure(withPhiKeys(ports), { subjectId, disclosedAt, ...rest }, caller);
        output.data(done, ({ disclosure_id }) => [disclosure_id]);
      }),
    );
}

/** @throws CommandError (2), which does not quote the input */
function wordsOf(text: string): object {
  try {
    return { ...(JSON.parse(text) as object) };
  } catch {
    throw new CommandError(
      exitCodes.usage,
      'standard input is not JSON',
      'pipe {"recipient": …, "description": …} into the command',
    );
  }
}

function registerConsents(consents: Command): void {
  consents
    .command('list')
    .description('list every decision of a person, newest first')
    .argument('<subject_id>')
    .action((subject: string, _own, command: Command) =>
      onDatabase(command, async (ports, output) => {
        const found = await listConsents(ports, { subjectId: subjectOf(subject) });
        output.data({ consents: found }, (shown) => shown.consents.map(consentLine));
      }),
    );
  consents
    .command('check')
    .description('check whether a person consents to a purpose now')
    .argument('<subject_id>')
    .addOption(purposeOption('purpose to check'))
    .action((subject: string, _own, command: Command) =>
      onDatabase<GlobalOptions & ForPurpose>(command, async (ports, output, { purpose }) => {
        const granted = await validateUserConsent(ports.sql, subjectOf(subject), purpose);
        output.data({ granted }, () => [granted ? 'granted' : 'not granted']);
        if (!granted) throw new CommandError(exitCodes.checkFailed, `no consent for ${purpose}`);
      }),
    );
  consents
    .command('record')
    .description('add a decision of a person: consent for a purpose, or its refusal')
    .argument('<subject_id>')
    .addOption(purposeOption('purpose that the person decided about'))
    .requiredOption('--terms <version>', 'version of the text that the person agreed to')
    .option('--refused', 'the person refused')
    .action((subject: string, _own, command: Command) =>
      onDatabase<GlobalOptions & ForPurpose & { readonly terms: string; readonly refused?: true }>(
        command,
        async (ports, output, options) => {
          const { purpose, terms, refused } = options;
          const body = { subject_id: subject, purpose, terms, granted: refused !== true };
          const { subject_id: subjectId, ...input } = checked(recordConsentEndpoint, body);
          if (rehearsed(output, options, `record a decision of ${subjectId} about ${purpose}`)) return;
          output.data(await recordUserConsent(ports, { subjectId, ...input }, caller), (row) => [consentLine(row)]);
        },
      ),
    );
  addReason(consents.command('withdraw'))
    .description('withdraw the consents of a person; uses that need one stop')
    .argument('<subject_id>')
    .addOption(purposesOption('only consents for these purposes'))
    .action((subject: string, _own, command: Command) =>
      onDatabase<ActOptions & ForPurposes>(command, async (ports, output, options) => {
        const { purposes, reason } = options;
        const body = { subject_id: subject, ...(purposes === undefined ? {} : { purposes }), reason };
        const { subject_id: subjectId, ...input } = checked(withdrawConsentEndpoint, body);
        const act = async () => ({ withdrawn: await manageConsentWithdrawal(ports, { subjectId, ...input }, caller) });
        await actAsked(output, options, `withdraw the consents of ${subjectId}`, act, ({ withdrawn }) =>
          withdrawn.map(consentLine),
        );
      }),
    );
}

const requestLine = (row: PrivacyRequestView): string =>
  [
    row.request_id,
    row.kind,
    row.subject_id,
    row.state,
    row.receipt === null ? `due ${row.due_at}` : `receipt ${row.receipt.event_id}`,
    row.receipt === null ? '' : row.receipt.seq === null ? 'not sealed yet' : `sealed as event ${row.receipt.seq}`,
  ].join('  ');
const disclosureLine = (row: DisclosureView): string =>
  [row.disclosed_at, row.purpose.padEnd(18), row.recipient ?? '(destroyed)', row.description ?? '(destroyed)'].join(
    '  ',
  );
const consentLine = (row: ConsentView): string =>
  `${row.recorded_at}  ${row.purpose}  version ${row.version}  ${row.granted ? 'granted' : 'not granted'}  terms ${row.terms}`;
