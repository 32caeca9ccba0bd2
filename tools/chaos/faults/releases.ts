import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrate } from '#services/platform/postgres/migrate.ts';
import { GuaranteeViolated } from '../cases/case.ts';
import { compromise, signInAdmin } from '../load/tokens.ts';
import { type Fault, fault } from './fault.ts';

/** A migration that changes hot tables and rows, and fails with its last statement. */
const BAD = `ALTER TABLE users ADD COLUMN bad text;
ALTER TABLE refresh_families ADD COLUMN bad text;
UPDATE roles SET description = 'bad';
SELECT 1 / 0;
`;

const LEFT = `SELECT 1 FROM information_schema.columns WHERE column_name = 'bad'
  UNION ALL SELECT 1 FROM roles WHERE description = 'bad'
  UNION ALL SELECT 1 FROM _prisma_migrations WHERE migration_name LIKE '%_bad'`;

export const releaseFaults: readonly Fault[] = [
  fault('bad-release', async ({ system }) => {
    const folder = join(system.folder, 'bad-release');
    mkdirSync(join(folder, '20990101000000_bad'), { recursive: true });
    writeFileSync(join(folder, '20990101000000_bad/migration.sql'), BAD);
    writeFileSync(
      join(folder, '20990101000000_bad/phase.json'),
      '{"phase":"contract","down":"none, because it fails"}',
    );
    const url = system.stores.url('postgres');
    const failure = await migrate(url, () => {}, [folder]).then(
      () => undefined,
      (err: Error & { cause?: { code?: string } }) => err,
    );
    if (failure?.cause?.code !== '22012') throw new GuaranteeViolated(`a bad migration ended with ${failure?.message}`);
    const left = await system.stores.query(LEFT);
    if (left.length > 0) throw new GuaranteeViolated('a migration that failed left changes');
    return 'a migration that fails with its last statement';
  }),
  fault('stolen-key', async ({ clients, copy }) => {
    if (!(await signInAdmin(clients))) return 'no key to compromise';
    const isDone = await compromise(clients, undefined, copy);
    return `${isDone ? 'compromised' : 'asked to compromise'} the signing key at ${copy}`;
  }),
];
