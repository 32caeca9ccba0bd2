import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { testFolder } from '../../../tools/testing/test-folder.ts';

const PACKAGE = resolve(import.meta.dirname, '..');
const MODULES = resolve(PACKAGE, '../../node_modules');
const read = (path: string): string => readFileSync(join(PACKAGE, path), 'utf8');

test('the built package needs react alone, compiles strictly with the code of its README, and renders on a server', () => {
  const folder = testFolder(onTestFinished);
  const installed = join(folder, 'node_modules/@sallyport/react');
  mkdirSync(installed, { recursive: true });
  const tsc = (...args: readonly string[]) =>
    execFileSync(join(MODULES, '.bin/tsc'), args, { cwd: folder, stdio: 'inherit' });
  tsc('-p', join(PACKAGE, 'tsconfig.build.json'), '--outDir', join(installed, 'dist'));
  for (const name of ['package.json', 'styles.css']) cpSync(join(PACKAGE, name), join(installed, name));
  for (const name of ['react', 'react-dom', 'scheduler', '@types'])
    symlinkSync(join(MODULES, name), join(folder, 'node_modules', name));
  const [files, imported] = [globSync('dist/*.js', { cwd: installed }), /from ['"]([^.'"][^'"]*)['"]/g];
  const needed = files.flatMap((file) => [...readFileSync(join(installed, file), 'utf8').matchAll(imported)]);
  expect([...new Set(needed.map(([, name]) => name))].sort()).toEqual(['react', 'react/jsx-runtime']);

  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  writeFileSync(join(folder, 'app.tsx'), /```tsx\n([\s\S]*?)```/.exec(read('README.md'))?.[1] ?? '');
  writeFileSync(join(folder, 'css.d.ts'), "declare module '*.css';");
  const [module, types] = ['--module nodenext --target es2022 --jsx react-jsx', '--types react --typeRoots'];
  const strictly = `--noEmit --strict --skipLibCheck ${module} ${types} ${join(MODULES, '@types')}`.split(' ');
  tsc(...strictly, 'css.d.ts', 'app.tsx');

  const page = `import { createElement as h } from 'react';
      import { renderToString } from 'react-dom/server';
      import { Protected, SallyportProvider, SignIn, UserButton } from '@sallyport/react';
      const shown = [h(UserButton, { key: 1 }), h(Protected, { key: 2 }, 'of a user'), h(SignIn, { key: 3 })];
      console.log(renderToString(h(SallyportProvider, { api: 'http://localhost:3000', language: 'de' }, shown)));`;
  const html = execFileSync(process.execPath, ['--input-type=module', '-e', page], { cwd: folder, encoding: 'utf8' });
  expect(html).toMatch(/Wird geladen.*Anmelden.*method="post"/);
  expect(html).not.toContain('of a user');
});

test('it says in German whatever a sign-in or a sign-up can be refused with', async () => {
  const { textsIn } = await import(new URL('../src/texts.ts', import.meta.url).href);
  const { problems } = textsIn('de-AT');
  const endpoints = readFileSync(resolve(PACKAGE, '../../docs/reference/endpoints.md'), 'utf8');
  const used = /^\| POST \| `\/api\/auth\/(signin|signup|second-factor|passkey\/sign-in\/verify)`.*$/gm;
  const codes = [...endpoints.matchAll(used)].flatMap(([row]) =>
    [...row.matchAll(/\[`(\w+)`\]/g)].map(([, code]) => code),
  );
  // Faults of the application, which its developer reads.
  const ofProgram = ['origin_refused', 'session_ended', 'idempotency_key_reused'];
  expect(codes).toContain('login_refused');
  expect(codes.filter((code = '') => !ofProgram.includes(code) && problems[code] === undefined)).toEqual([]);
});
