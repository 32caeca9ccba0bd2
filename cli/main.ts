// PROCESS: the command line.
import { run } from './run.ts';

// A closed pipe must not fail the command.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});

const failure = await run(process.argv.slice(2));
// An open handle (a pool, the launcher's IPC channel) must not keep the process alive.
if (failure !== undefined) process.exit(failure);
