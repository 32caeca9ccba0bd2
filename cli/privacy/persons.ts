import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { writeBytesAtOnce } from '#services/platform/backups/file-place.ts';
import { recordDisclosureEndpoint } from '#services/wings/privacy/access/access-contract.ts';
import { recordDisclosure } from '#services/wings/privacy/access/disclosures.ts';
import {
  disclosureOperations,
  privacyRequestOperations,
  requestLine,
} from '#services/wings/privacy/access/operations.ts';
import { readExport, readPrivacyRequest } from '#services/wings/privacy/access/privacy-requests.ts';
import { recordConsentEndpoint } from '#services/wings/privacy/consent/consent-contract.ts';
import { consentLine, consentOperations, listConsentsOperation } from '#services/wings/privacy/consent/operations.ts';
import { recordUserConsent, validateUserConsent } from '#services/wings/privacy/consent/user-consent.ts';
import { onDatabase, rehearsed } from '../admin.ts';
import { checked, instantOf, uuidOf } from '../arguments.ts';
import { systemCaller } from '../database-ports.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { registerOperations } from '../operations.ts';
import type { GlobalOptions } from '../output.ts';
import { caller, type ForPurpose, purposeOption, subjectOf, withoutSignIn } from './common.ts';

/** `sallyport privacy disclosures|consents|export|delete|request`. */
export function registerPersons(program: Command, privacy: Command): void {
  registerDisclosures(program, privacy.command('disclosures').description('account for disclosures: list, add'));
  registerConsents(
    program,
    privacy.command('consents').description('record and check consent: list, check, record, withdraw'),
  );
  registerOperations(program, privacyRequestOperations);
  privacy
    .command('request')
    .description('show the state and the receipt of an export or a deletion')
    .argument('<request_id>')
    .option('--out <file>', 'write the finished export to this file; it contains personal data')
    .action((asked: string, _own, command: Command) =>
      onDatabase<GlobalOptions & { readonly out?: string }>(command, async (ports, output, { out }) => {
        const chosen = { request_id: uuidOf(asked, 'sallyport privacy export') };
        if (out !== undefined) {
          const found = await readExport(withoutSignIn(ports), chosen, systemCaller('sallyport privacy request'));
          await writeBytesAtOnce(out, `${JSON.stringify(found, null, 2)}\n`);
          output.say(`wrote ${out}`);
        }
        output.data(await readPrivacyRequest(ports, chosen), (row) => [requestLine(row)]);
      }),
    );
}

function registerDisclosures(program: Command, disclosures: Command): void {
  registerOperations(program, disclosureOperations);
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
        const done = await recordDisclosure(ports, { subject_id: subjectId, ...input }, caller);
        if (rehearsed(output, options, `record a disclosure of data of ${subjectId}`)) return;
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

function registerConsents(program: Command, consents: Command): void {
  registerOperations(program, [listConsentsOperation]);
  consents
    .command('check')
    .description('check whether a person consents to a purpose now')
    .argument('<subject_id>')
    .addOption(purposeOption('purpose to check'))
    .action((subject: string, _own, command: Command) =>
      onDatabase<GlobalOptions & ForPurpose>(command, async (ports, output, { purpose }) => {
        const { granted } = await validateUserConsent(ports, { subject_id: subjectOf(subject), purpose });
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
          const input = checked(recordConsentEndpoint, body);
          const recorded = await recordUserConsent(ports, input, caller);
          if (rehearsed(output, options, `record a decision of ${subject} about ${purpose}`)) return;
          output.data(recorded, (row) => [consentLine(row)]);
        },
      ),
    );
  registerOperations(program, consentOperations);
}
