import node from '@astrojs/node';
import react from '@astrojs/react';
import { defineConfig, envField } from 'astro/config';

export default defineConfig({
  output: 'server',
  adapter: node({ mode: 'standalone', bodySizeLimit: 65_536 }),
  integrations: [react()],
  env: {
    schema: {
      SALLYPORT_URL: envField.string({ context: 'server', access: 'secret', default: 'http://localhost:3000' }),
      CLIENT_ID: envField.string({ context: 'server', access: 'secret' }),
      CLIENT_SECRET: envField.string({ context: 'server', access: 'secret' }),
      OLD_SESSION_COOKIE: envField.string({ context: 'server', access: 'secret', optional: true }),
    },
  },
});
