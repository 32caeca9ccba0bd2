// Tests on stores do not wait for password hashes, and the products that they start do not either.
import './processes/cheap-bcrypt.ts';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

process.env.PRELOAD_FOR_TESTS = pathToFileURL(join(import.meta.dirname, 'processes/cheap-bcrypt.ts')).href;
