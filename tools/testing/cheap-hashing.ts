// Tests on stores do not wait for password hashes, and the products that they start do not either.
import './processes/cheap-bcrypt.ts';
import { pathToFileURL } from 'node:url';
import { preloadInProducts } from './processes/child-env.ts';

// Not relative to the URL of this file, to which vitest adds a query.
preloadInProducts(pathToFileURL(`${import.meta.dirname}/processes/cheap-bcrypt.ts`));
