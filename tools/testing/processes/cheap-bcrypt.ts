// For tests only: password hashes of this process, and of the processes that it starts, take a millisecond. A quarter of
// a second for each would be an eighth of the whole run, and no test on stores is about it: what a hash costs is tested
// beside the hasher, on its real processes.
import childProcess from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';

/** The source, or the program of a bundle. */
const HASHER = /\/services\/platform\/hasher\/child\.ts$|\/dist\/[0-9a-f]{16}\/hasher\.mjs$/;
const CHEAP = new URL('./cheap-bcrypt-child.ts', import.meta.url);

const { fork } = childProcess;
childProcess.fork = ((path: string | URL, args: string[], ...rest: []) =>
  HASHER.test(String(path))
    ? fork(CHEAP, [String(path)], ...rest)
    : fork(path, args, ...rest)) as typeof childProcess.fork;
syncBuiltinESMExports();
