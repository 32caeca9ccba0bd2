import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { createLogSigner, readLogKeys } from '#services/core/keys/log/log-keys.ts';
import { issueCertificate } from '#services/wings/import/certificate/issue-certificate.ts';
import { verifyCertificate } from '#services/wings/import/certificate/verify-certificate.ts';
import { onDatabase, rehearsed } from '../admin.ts';
import { listed, textOfFile, uuidOf } from '../arguments.ts';
import { CommandError, exitCodes } from '../exit-codes.ts';
import { createOutput, type GlobalOptions } from '../output.ts';

/** `import certificate`, directly on the database, and `import verify`, offline. */
export function registerCertificate(command: Command): void {
  command
    .command('certificate')
    .description('write the signed certificate of an import, on which a deletion at the other system can rest')
    .argument('<import_id>')
    .argument('<file>', 'a new file')
    .action((asked: string, file: string, _own, own: Command) =>
      onDatabase<GlobalOptions>(own, async (database, output, options) => {
        const id = uuidOf(asked, 'sallyport import status');
        const ports = {
          sql: database.sql,
          logSigner: createLogSigner(database),
          auditLogKeys: (origin: string) => readLogKeys(database, origin),
        };
        const certificate = await issueCertificate(ports, { import_id: id });
        if (rehearsed(output, options, `write the certificate of import ${id} to ${file}`)) return;
        await written(file, certificate);
        output.data({ file, import_id: id }, () => [`wrote ${file}`]);
      }),
    );
  command
    .command('verify')
    .description('verify a certificate offline: its statement, its place in the audit log, and its signature')
    .argument('<file>')
    .option('--vkey <key...>', 'verifier keys of the audit log, obtained elsewhere', listed)
    .action(async (file: string, _own, own: Command) => {
      const options = own.optsWithGlobals<GlobalOptions & { readonly vkey?: string[] }>();
      const output = createOutput(options);
      const result = verifyCertificate(
        await textOfFile(file, 'sallyport import certificate ID FILE'),
        options.vkey ?? [],
      );
      if (!result.pinned)
        output.say('the keys come from the certificate itself: compare them with /v1/audit/log/vkey, or give --vkey');
      output.data({ ...result, statement: result.statement ?? null }, ({ valid, faults, statement }) => [
        `${valid ? 'valid' : 'INVALID'}  ${statement?.import_id ?? ''}`,
        ...faults.map(({ item, why }) => `${item}: ${why}`),
      ]);
      const [first] = result.faults;
      if (first) throw new CommandError(exitCodes.checkFailed, `${first.item}: ${first.why}`);
    });
}

async function written(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text, { flag: 'wx' });
  } catch (cause) {
    throw new CommandError(exitCodes.usage, `${file} cannot be written`, 'name a new file', { cause });
  }
}
