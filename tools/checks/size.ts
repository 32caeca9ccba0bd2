/** `npm run check:size [-- --lower]`: compares the size of the house with its gates, or lowers them to what is there. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Gates, judgeSize, type SizedFile, sizeOf } from './house-size.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const GATES = 'tools/checks/size.json';

const git = (args: readonly string[], input = ''): string =>
  execFileSync('git', args, {
    cwd: ROOT,
    encoding: 'utf8',
    input,
    maxBuffer: 2 ** 28,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
const linesOf = (text: string): string[] => text.split('\n').filter(Boolean);

/** The newest committed gates that differ from these; nothing in a shallow clone or one without git. */
function earlierGates(text: string): Gates | undefined {
  try {
    const commits = linesOf(git(['log', '-2', '--format=%H', '--', GATES]));
    const earlier = commits
      .map((commit) => git(['show', `${commit}:${GATES}`]))
      .find((committed) => committed !== text);
    return earlier === undefined ? undefined : (JSON.parse(earlier) as Gates);
  } catch {
    process.stdout.write('SKIPPED: git does not know earlier gates here\n');
    return undefined;
  }
}

function readFiles(): SizedFile[] {
  // The record of a run is of a tree without itself.
  const all = git(['ls-files', '--cached', '--others', '--exclude-standard', '--', ':!tools/test/record.json']);
  const paths = linesOf(all).filter((path) => existsSync(join(ROOT, path)));
  const marks = linesOf(git(['check-attr', '--stdin', 'linguist-generated'], paths.join('\n')));
  return paths.map((path, at) => ({
    path,
    text: readFileSync(join(ROOT, path), 'utf8'),
    isGenerated: marks[at]?.endsWith(': set') === true,
  }));
}

const text = readFileSync(join(ROOT, GATES), 'utf8');
const committed = JSON.parse(text) as Gates;
const size = sizeOf(readFiles());
const isLowering = process.argv.includes('--lower');
const gates = isLowering ? { all: { ...committed.all, ...size.all }, modules: size.modules } : committed;
const faults = judgeSize(size, gates, isLowering ? committed : earlierGates(text));
if (isLowering && faults.length === 0) writeFileSync(join(ROOT, GATES), `${JSON.stringify(gates, null, 2)}\n`);
const lines = Object.entries(size.all).map(([name, value]) => `${name} ${value} (at most ${gates.all[name]})`);
process.stdout.write(`${lines.join(', ')}\n${faults.map((fault) => `${fault}\n`).join('')}`);
if (faults.length > 0) process.exitCode = 1;
