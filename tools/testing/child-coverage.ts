// Processes that tests start measure themselves where vitest measures (`autoAttachSubprocess`). vitest reads their
// reports when a file of tests ends, and fails on half of one: they write elsewhere, and whole ones are handed over.
import { mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const SUFFIX = '.written';

/** What Node writes last, unless it writes source maps too. Parsing takes as long as what vitest does with a report. */
const END = /"timestamp":[\d.e+]+\}$/;

/** False while the report is being written, and if its process was killed during the write. */
function isWhole(path: string): boolean {
  const report = readFileSync(path);
  if (END.test(report.toString('latin1', Math.max(0, report.length - 64)))) return true;
  try {
    JSON.parse(report.toString());
    return true;
  } catch {
    return false;
  }
}

const { NODE_V8_COVERAGE } = process.env;
if (NODE_V8_COVERAGE) {
  const read = NODE_V8_COVERAGE.replace(SUFFIX, '');
  const written = read + SUFFIX;
  process.env.NODE_V8_COVERAGE = written;
  // Half of what a process costs is compiling what others compiled already. Never shared with processes that are not
  // measured: their code counts nothing.
  process.env.NODE_COMPILE_CACHE = join(read, '../../compiled');
  for (const folder of [read, written]) mkdirSync(folder, { recursive: true });
  afterAll(() => {
    for (const name of readdirSync(written))
      if (isWhole(join(written, name))) renameSync(join(written, name), join(read, name));
  });
}
