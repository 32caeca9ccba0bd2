import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findS3Gateway, startS3Gateway } from '#tools/testing/processes/s3-gateway.ts';
import { GuaranteeViolated } from '../cases/case.ts';
import type { System } from '../system.ts';
import { type Fault, fault } from './fault.ts';

let backups = 0;

/** Makes a backup; what ends with 0 must be whole. @returns why none was made */
async function backUp(system: System, env: Readonly<Record<string, string>>): Promise<string | undefined> {
  backups += 1;
  const keyFile = join(system.folder, 'backup.key');
  writeFileSync(keyFile, Buffer.alloc(32, 7), { mode: 0o600 });
  const place = `s3://backups/chaos/${backups}-${randomBytes(4).toString('hex')}`;
  const run = (args: readonly string[]) => system.sallyport([...args, '--key-file', keyFile, '--json'], env);
  const made = await run(['backup', '--out', place]);
  if (made.code !== 0) return `exit ${made.code}: ${made.err || made.out}`;
  const verified = await run(['backup', 'verify', place]);
  if (verified.code !== 0 || JSON.parse(verified.out).whole !== true)
    throw new GuaranteeViolated(`a backup ended with 0, and its verification with ${verified.code}`);
  return undefined;
}

/** The object store of backups answers 503 to every request, while both copies serve. */
export const objectStoreFaults: readonly Fault[] = [
  fault('lost-object-store', async ({ system }) => {
    const program = findS3Gateway();
    if (program === undefined) return 'not run: no Go to build an S3 server with';
    const gateway = await startS3Gateway(program);
    try {
      gateway.fault = () => ({ answer: 503 });
      if ((await backUp(system, gateway.env)) === undefined)
        throw new GuaranteeViolated('a backup says that a lost store has it');
      const { objects, uploads } = gateway.keys();
      if (objects.length + uploads.length > 0) throw new GuaranteeViolated(`the store has ${[...objects, ...uploads]}`);
      gateway.fault = () => undefined;
      const failed = await backUp(system, gateway.env);
      if (failed !== undefined) throw new GuaranteeViolated(`no backup after the store was back: ${failed}`);
      return 'refused while lost, whole and verified after';
    } finally {
      await gateway.close();
    }
  }),
];
