import { resolve } from 'node:path';
import { EdgeVM } from '@edge-runtime/vm';
import { rolldown } from 'rolldown';
import { expect, test } from 'vitest';

/** The package and jose as one script, as a bundler for an edge runtime makes it: no import is left. */
async function bundled(): Promise<string> {
  const bundle = await rolldown({
    input: resolve(import.meta.dirname, 'edge-program.ts'),
    platform: 'browser',
    onLog(level, log) {
      if (level === 'warn') throw new Error(log.message);
    },
  });
  const { output } = await bundle.generate({ format: 'iife', name: 'program' });
  await bundle.close();
  expect(output).toHaveLength(1);
  return output[0].code;
}

test('verifies, refuses and follows revocations in an edge runtime, where there is no Node', async () => {
  const vm = new EdgeVM();
  expect(vm.evaluate('typeof process + typeof require + typeof Buffer')).toBe('undefinedundefinedundefined');
  vm.evaluate(await bundled());
  expect(await vm.evaluate('program.run()')).toEqual({
    first: 'active',
    dpop: 'active',
    tampered: 'bad_signature',
    revoked: 'revoked',
    stream: 'revoked',
    response: [401, 'Bearer'],
    handler: [200, 'ada'],
    file: "the feed 'file' needs Node 20.16 or newer",
  });
});
