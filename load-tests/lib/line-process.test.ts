import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startBenchIssuer } from './bench-issuer.ts';
import { LineProcess } from './line-process.ts';

const open: { close(): Promise<void> | void }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

const started = (...args: readonly string[]): LineProcess => {
  const process_ = new LineProcess(process.execPath, args);
  open.push(process_);
  return process_;
};

test('the verifier process measures never-seen tokens, repeated ones and raw jose on tokens of one issuer', async () => {
  const issuer = await startBenchIssuer({ revocations: 5_001, tokens: 50 });
  open.push(issuer);
  const worker = started(join(import.meta.dirname, '../verifiers/verifier.ts'));
  for (const operation of ['raw', 'fresh', 'repeated']) {
    const ran = await worker.ask<{ operations: number }>({ operation, issuer: issuer.url, seconds: 0.001 });
    expect(ran.operations).toBe(operation === 'repeated' ? 5_000 : 50);
  }
  expect(await worker.ask({ operation: 'memory', issuer: issuer.url })).toMatchObject({ entries: 5_001 });
});

test('an error of a command rejects it alone, and the end of the process rejects what waits', async () => {
  const worker = started(
    '-e',
    `
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { id, say } = JSON.parse(line);
      if (say === 'end') process.exit(3);
      process.stdout.write(JSON.stringify(say === 'fail' ? { id, error: 'no' } : { id, result: say }) + '\\n');
    });`,
  );
  expect(await worker.ask({ say: 'a' })).toBe('a');
  await expect(worker.ask({ say: 'fail' })).rejects.toThrow('no');
  expect(await worker.ask({ say: 'b' })).toBe('b');
  await expect(worker.ask({ say: 'end' })).rejects.toThrow('ended: 3');
});
