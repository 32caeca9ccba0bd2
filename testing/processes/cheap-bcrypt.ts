// For tests only: password hashes of this process, and of the processes that it starts, take a millisecond. A quarter of
// a second for each would be an eighth of the whole run, and no test on stores is about it: what a hash costs is tested
// beside the hasher, on its real processes.
import childProcess from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import { fileURLToPath } from 'node:url';

const HASHER = fileURLToPath(new URL('../../services/platform/hasher/child.ts', import.meta.url));
const CHEAP = new URL('./cheap-bcrypt-child.ts', import.meta.url);

const { fork } = childProcess;
childProcess.fork = ((path: string | URL, ...rest: []) =>
  fork(path === HASHER ? CHEAP : path, ...rest)) as typeof childProcess.fork;
syncBuiltinESMExports();
