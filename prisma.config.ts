import { defineConfig } from 'prisma/config';

// The URL is read here and not in the schema; generating the client needs none.
export default defineConfig({
  schema: 'prisma/schema',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? '' },
});
