import type { CoverageGroup } from './coverage.ts';

/** Stores, caches, routes, processes and adapters, which only tests on real stores can cover. */
const OUTSIDE = `**/*.store.ts **/*.cache.ts services/api/{compose*,gauges,main,server,stores,telemetry}.ts
  services/embedding/open-sallyport.ts services/{mcp,migrate,worker}/** services/platform/process/lifetime.ts
  services/api/routes/** services/supervisor/** services/platform/{local,postgres,redis,queue,hasher,marks,limiter}/**
  observability/{otel,otel-export}.ts cli/**`.split(/\s+/);

/** Code that decides about access: every line, function and branch. New files in these folders are included. */
const AUTHENTICATION = `services/core/{access,api-keys,authority,identity,jws,keys,limits,oauth,revocations,tokens}/**
  services/api/requests/{browser-rules,caller,client-certificate,credentials,recheck-caller}.ts
  services/embedding/authentication-middleware.ts services/platform/define/email.ts
  services/platform/hasher/{equal-cost,schemes}.ts services/platform/hasher/formats/**`.split(/\s+/);

/** Code that connects those decisions: Better Auth's settings and plugins, mails, purges, middleware. */
const WIRING = [
  'services/core/identity/seed/**',
  'services/core/identity/mail/{deliver-mail,letter-links,letters,letters-german,mails,queue-mail,read-mail-backlog,render-mail}.ts',
  'services/core/identity/sessions/{auth,auth-engine,auth-factors,handover,passkey-ceremonies}.ts',
  'services/core/{api-keys,identity/admin,oauth}/*-purges.ts',
  'services/api/requests/{credentials-in-address,once,raw-body}.ts',
  'services/core/shared/throttle.ts',
];

export const coverageGroups: readonly CoverageGroup[] = [
  {
    name: 'authentication logic',
    by: 'all',
    include: AUTHENTICATION,
    exclude: ['**/*.{store,cache}.ts', ...WIRING],
    least: { lines: 100, functions: 100, branches: 100 },
  },
  {
    name: 'wiring of authentication',
    by: 'all',
    include: WIRING,
    exclude: ['**/*.{store,cache}.ts'],
    least: { lines: 95, functions: 95, branches: 95 },
  },
  {
    name: 'rules',
    by: 'all',
    include: ['**/*.ts'],
    exclude: OUTSIDE,
    least: { lines: 95, functions: 95, branches: 95 },
  },
  {
    name: 'stores, caches, routes, processes, adapters (tests on real stores alone)',
    by: 'stores',
    include: OUTSIDE,
    // Without I/O, and verified in child processes: covered whole, as authentication logic.
    exclude: ['services/platform/hasher/formats/**'],
    least: { lines: 90, functions: 90, branches: 75 },
  },
];
