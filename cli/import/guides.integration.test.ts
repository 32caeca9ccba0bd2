import { execFileSync, spawnSync } from 'node:child_process';
import { createReadStream, globSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { hashSync } from '@node-rs/bcrypt';
import { expect, test } from 'vitest';
import { betterAuthRows } from '#services/core/identity/sessions/better-auth-rows-harness.ts';
import { findAdapter } from '#services/wings/import/adapters/adapters.ts';
import { opened } from '#tools/testing/opened.ts';
import { openCliHarness } from '../cli-harness.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const FIXTURES = join(ROOT, 'services/wings/import/adapters/fixtures');
const harness = opened(() =>
  openCliHarness({ BETTER_AUTH_SECRET: 'an-auth-secret-of-more-than-thirty-two-characters' }),
);

const pages = globSync('docs/how-to/move-from-*.md', { cwd: ROOT }).sort();
const kindOf = (page: string): string => /move-from-(.+)\.md/.exec(page)?.[1] as string;
const blocksOf = (page: string): string[] =>
  [...readFileSync(join(ROOT, page), 'utf8').matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block as string);
/** What the page has typed into map.json. */
const mapOf = (page: string): string | undefined =>
  /cat > map\.json <<'EOF'\n([\s\S]*?)\nEOF/.exec(blocksOf(page).join('\n'))?.[1];
const wordsOf = (command: string): string[] =>
  [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, word]) => quoted ?? (word as string));

/** The page's program that turns our file into theirs, and the name of what it writes. */
const wayBackOf = (page: string) => {
  const program = blocksOf(page).at(-1) as string;
  return { program, written: /> (\S+)\n$/.exec(program)?.[1] as string };
};
const hasJq = spawnSync('jq', ['--version']).status === 0;

/** The export that each page starts from, under its name there. */
const exportsOf: Readonly<Record<string, (folder: string) => Promise<unknown>>> = {
  auth0: (folder) => copyFile(join(FIXTURES, 'auth0.ndjson'), join(folder, 'auth0.ndjson')),
  'better-auth': async (folder) => {
    const { tables } = await betterAuthRows('a secret of the other installation', 'a long password', ['b@example.com']);
    const { user, account } = tables;
    await writeFile(join(folder, 'users.ndjson'), JSON.stringify({ user, account }));
  },
  clerk: (folder) =>
    writeFile(
      join(folder, 'users.csv'),
      `id,first_name,last_name,primary_email_address,verified_email_addresses,password_digest,password_hasher\nuser_1,Cleo,Clerk,c@example.com,c@example.com,${hashSync('a long password', 4)},bcrypt\n`,
    ),
  firebase: async (folder) => {
    const config = await readFile(join(FIXTURES, 'firebase-hash-config.txt'), 'utf8');
    await copyFile(join(FIXTURES, 'firebase.json'), join(folder, 'users.json'));
    // What the page has jq write.
    const map = { parameters: { hash_config: config }, roles: { editor: 'auditor', trial: null } };
    await writeFile(join(folder, 'map.json'), JSON.stringify(map));
  },
  keycloak: (folder) => copyFile(join(FIXTURES, 'keycloak-realm.json'), join(folder, 'realm.json')),
  supabase: (folder) => copyFile(join(FIXTURES, 'supabase.ndjson'), join(folder, 'users.ndjson')),
};

/** Id, address and hash of each user, as an import reads them from this file. */
async function usersIn(kind: string, folder: string, file: string): Promise<unknown[]> {
  const map = await readFile(join(folder, 'map.json'), 'utf8').catch(() => '{}');
  const options = { columns: {}, allowedHashes: [], parameters: JSON.parse(map).parameters ?? {} };
  const found: unknown[] = [];
  for await (const record of findAdapter(kind)!.read(createReadStream(join(folder, file)), options))
    found.push('user' in record ? [record.user.legacy_id, record.user.email, record.user.password_hash] : record);
  return found.sort();
}

test('every guide has an export to start from', () => expect(pages.map(kindOf)).toEqual(Object.keys(exportsOf).sort()));

test.each(pages)(
  'the commands of %s run in their order: rehearse, import, go back as what the other system reads',
  async (page) => {
    const folder = join(harness.dataDir, kindOf(page));
    await mkdir(folder);
    const map = mapOf(page);
    if (map !== undefined) await writeFile(join(folder, 'map.json'), map);
    await exportsOf[kindOf(page)]?.(folder);
    const commands = blocksOf(page).flatMap((block) => block.match(/^npx sallyport .*$/gm) ?? []);
    // The fixtures of all systems have the same addresses.
    await harness.ports.sql.query({ name: 'guides_empty', text: 'DELETE FROM users' } as never, []);
    const verbs: string[] = [];
    for (const command of commands) {
      const words = wordsOf(command).slice(2);
      const args = words.map((word) => (/^[\w-]+\.(csv|json|ndjson)$/.test(word) ? join(folder, word) : word));
      // A reader at a terminal answers the question.
      const answers = words[0] === 'export' ? ['--yes'] : [];
      const { code, out, err } = await harness.sallyport([...args, ...answers, '--json']);
      verbs.push(words[0] as string);
      // 1: the fixtures have records that are rejected on purpose.
      expect([0, words[0] === 'import' ? 1 : 0], `${command}\n${err}`).toContain(code);
      if (words[0] === 'import')
        expect(JSON.parse(out.trim().split('\n').at(-1) as string).new, command).toBeGreaterThan(0);
    }
    expect(verbs).toEqual(['import', 'import', 'export']);
    const { program, written } = wayBackOf(page);
    if (hasJq) {
      execFileSync('sh', ['-ec', program], { cwd: folder });
      const ours = await usersIn('ndjson', folder, 'users-back.ndjson');
      expect(await usersIn(kindOf(page), folder, written)).toEqual(ours);
    }
    expect((await harness.json(['import', 'status'])).systems).toContainEqual(
      expect.objectContaining({ kind: kindOf(page) }),
    );
  },
);
