// `npm run vault:test`: builds the core of HashiCorp Vault from its Go module once, and tests against it what the
// product and its tests assume of Vault.
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { buildVaultServer } from './build.ts';

try {
  buildVaultServer((text) => void process.stderr.write(`vault: ${text}\n`));
  const args = [resolve(import.meta.dirname, '../t.ts'), 'services/platform/crypto/real-vault.test.ts'];
  process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
} catch (err) {
  process.stderr.write(`${(err as Error).message}\n`);
  process.exitCode = 1;
}
