#!/usr/bin/env node
// The `sallyport` command: makes the clone runnable, then runs the command line on Node 24.
import { realpathSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ensureReady, fail, node24 } from './bootstrap.mjs';
import { launch } from './launch.mjs';

// What is watched is the sources, so they are what runs then.
const file = process.argv.includes('--watch') ? '../cli/main.ts' : '../dist/current/cli.mjs';
const main = fileURLToPath(new URL(file, import.meta.url));

await ensureReady().catch(fail);
if (realpathSync(process.execPath) === realpathSync(node24)) await import(pathToFileURL(main).href);
else launch(node24, main, fail);
