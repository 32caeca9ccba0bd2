// Processes that tests start measure themselves; the worker itself is measured by vitest.
import { join } from 'node:path';

const { SALLYPORT_CHILD_COVERAGE } = process.env;
if (SALLYPORT_CHILD_COVERAGE) {
  process.env.NODE_V8_COVERAGE = SALLYPORT_CHILD_COVERAGE;
  // Half of what a process costs is compiling what others compiled already. Never shared with processes that are not
  // measured: their code counts nothing.
  process.env.NODE_COMPILE_CACHE = join(SALLYPORT_CHILD_COVERAGE, '../compiled');
}
