import { defineConfig } from 'vite';

/** Built by `tools/bootstrap.mjs` into `console/dist`, which the API serves at `/console`. */
export default defineConfig({
  root: import.meta.dirname,
  base: '/console/',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2023',
    // The policy of the page allows no data: URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    // The notices that the licences of the libraries ask for.
    license: true,
    reportCompressedSize: false,
  },
});
