/** @type {import('next').NextConfig} */
export default {
  poweredByHeader: false,
  // This folder is an application of its own, although the repository around it has a lockfile too.
  turbopack: { root: import.meta.dirname },
  headers: async () => [
    {
      source: '/:path*',
      headers: [
        { key: 'content-security-policy', value: "frame-ancestors 'none'" },
        { key: 'referrer-policy', value: 'same-origin' },
        { key: 'x-content-type-options', value: 'nosniff' },
      ],
    },
  ],
};
