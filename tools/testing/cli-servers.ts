// Ends the processes of a file's command lines after its tests, before `child-coverage` reads what they covered.
import { afterAll } from 'vitest';
import { endCliServers } from './processes/run-cli.ts';

afterAll(endCliServers);
