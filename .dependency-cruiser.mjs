// Each rule is named as the sentence it enforces. Type-only imports count (tsPreCompilationDeps).
export const core = [
  'jws',
  'authority',
  'shared',
  'audit',
  'keys',
  'limits',
  'access',
  'revocations',
  'tokens',
  'api-keys',
  'identity',
  'oauth',
  'security',
  'health',
];

const rule = (name, from, to, comment) => ({ name, severity: 'error', comment, from, to });

// A test, or what only tests open.
const notATest = '((\\.test|-harness)\\.ts$|^tools/testing/)';

const moduleOrder = core
  .slice(0, -1)
  .map((module, index) =>
    rule(
      `${module} imports no module to its right`,
      { path: `^services/core/${module}/`, pathNot: notATest },
      { path: `^services/core/(${core.slice(index + 1).join('|')})/` },
      'Module order is acyclic; a rule that needs two modules lives in the later one.',
    ),
  );

const wingRules = [
  rule(
    'the core imports no wing',
    { path: '^services/core/', pathNot: notATest },
    { path: '^services/wings/' },
    'Every wing can be left out; what the core needs of one is a list that modules fill.',
  ),
  rule(
    'a wing imports no other wing but outbound and privacy, and agents imports signoff',
    { path: '^services/wings/([^/]+)/', pathNot: notATest },
    { path: '^services/wings/', pathNot: '^services/wings/($1|outbound|privacy)/' },
    'A wing is learnt with the core alone.',
  ),
];

/** Faces that still name files of wings. The list only shrinks: `npm run check` refuses one that names none. */
export const facesThatNameWings = [
  'cli/backup.ts',
  'cli/demo-clinic.ts',
  'cli/import/certificate.ts',
  'cli/import/export.ts',
  'cli/import/import-ports.ts',
  'cli/import/import.ts',
  'cli/import/mongo-source.ts',
  'cli/import/source.ts',
  'cli/import/status.ts',
  'cli/integrity.ts',
  'cli/phi.ts',
  'cli/privacy/access.ts',
  'cli/privacy/common.ts',
  'cli/privacy/persons.ts',
  'cli/privacy/retention.ts',
  'cli/report.ts',
  'cli/reports.ts',
  'cli/restore-feed.ts',
  'cli/restore-from.ts',
  'cli/restore.ts',
  'cli/signoff.ts',
  'services/api/compose-identity.ts',
  'services/api/compose.ts',
  'services/api/routes/bridge-pages.ts',
  'services/api/routes/legacy.ts',
  'services/api/routes/signals.ts',
  'services/api/routes/signoff-pages.ts',
  'services/embedding/agent-service.ts',
  'services/embedding/backup-service.ts',
  'services/embedding/hipaa-compliance-service.ts',
  'services/embedding/legacy-session-service.ts',
  'services/embedding/legacy-system-service.ts',
  'services/embedding/performance-monitoring-service.ts',
  'services/embedding/phase6-integration-service.ts',
  'services/embedding/privacy-control-service.ts',
  'services/embedding/security-monitoring-service.ts',
  'services/embedding/sign-off-service.ts',
  'services/mcp/follow-task.ts',
  'services/mcp/perform-call.ts',
  'services/mcp/ports.ts',
  'services/mcp/task-methods.ts',
  'services/mcp/task-tools.ts',
  'services/pages/signoff-pages.ts',
];

const faces = '^(services/(api|pages|mcp|worker|migrate|supervisor|embedding|platform)|cli|jobs|observability)/';
const faceRules = [
  rule(
    'faces see wings only through modules.ts',
    { path: faces, pathNot: `(${notATest}|^(${facesThatNameWings.join('|')})$)` },
    { path: '^services/wings/' },
    'What a face needs of a wing is a value of its module, in a list that the core offers.',
  ),
  // Counted: the gate `wingImports` of tools/checks/size.json only falls.
  {
    name: 'a face names a wing',
    severity: 'info',
    from: { path: faces, pathNot: notATest },
    to: { path: '^services/wings/' },
  },
];

// Folders of identity; contracts and audit events are leaves, under all of them.
export const rooms = [
  'contracts',
  'users',
  'mail',
  'passwords',
  'sessions',
  'sign-in',
  'factors',
  'accounts',
  'social',
  'better-auth-client',
  'admin',
  'seed',
];

const roomOrder = rooms
  .slice(0, -1)
  .map((room, index) =>
    rule(
      `identity/${room} imports no folder of identity to its right`,
      { path: `^services/core/identity/${room}/`, pathNot: notATest },
      { path: `^services/core/identity/(${rooms.slice(index + 1).join('|')})/` },
      'Folder order is acyclic, as that of modules: a folder can be learnt after those to its left.',
    ),
  );

export default {
  forbidden: [
    rule('imports form no circle', {}, { circular: true }, 'A circle is one thing cut in two at the wrong place.'),
    rule(
      'the domain knows no framework, store or process',
      { path: '^services/(core|wings)/', pathNot: `(${notATest}|^services/core/identity/)` },
      {
        path: 'node_modules/(fastify|@fastify|bullmq|ioredis|pg|pg-pool|@prisma|prisma|pino|commander|@sentry|better-auth|@better-auth)/',
      },
      'Use-cases run on ports; adapters bring the outside.',
    ),
    rule(
      'only identity imports Better Auth',
      // What is moved from runs beside the product there.
      { pathNot: '^services/core/identity/' },
      { path: 'node_modules/(better-auth|@better-auth)/' },
      'One seam to replace, one place to review at each release.',
    ),
    rule(
      'identity knows no HTTP framework and no other store',
      { path: '^services/core/identity/', pathNot: notATest },
      { path: 'node_modules/(fastify|@fastify|bullmq|ioredis|pg|pg-pool|pino|commander)/' },
      'Better Auth is its only library.',
    ),
    rule(
      'the domain reaches the platform only through definitions',
      { path: '^services/(core|wings)/', pathNot: `(${notATest}|^services/core/identity/)` },
      { path: '^services/platform/', pathNot: '^services/platform/(define/|errors\\.ts|config/)' },
      'define/, errors and setting types are shapes; everything else of the platform is the outside world.',
    ),
    rule(
      'the domain imports no process',
      { path: '^services/(core|wings)/', pathNot: notATest },
      { path: '^((services/(api|worker|mcp|supervisor)|cli|tools)/|jobs/processors\\.ts$)' },
      'Processes compose the domain, never the other way.',
    ),
    rule(
      'adapters know the domain only by its ports',
      { path: '^services/platform/', pathNot: notATest },
      { path: '^services/(core|wings)/', pathNot: '^services/core/ports\\.ts$' },
      'An adapter that knows a module cannot serve another.',
    ),
    rule(
      'adapters name no job, command or seed',
      { path: '^services/platform/', pathNot: notATest },
      { path: '^(jobs|cli|prisma/seed)/' },
      'Names of queues and jobs are declared with the jobs; who composes an adapter passes them.',
    ),
    rule(
      'definitions take no names from telemetry',
      { path: '^services/platform/define/' },
      { path: '^observability/' },
      'A name is declared with what it names, and its metric takes its labels from there.',
    ),
    rule(
      'jobs import no process',
      { path: '^jobs/', pathNot: notATest },
      { path: '^services/(api|worker|mcp|supervisor|migrate)/' },
      'The worker runs the jobs; what a job needs of it is a port.',
    ),
    rule(
      'stores and caches are private to their module',
      { path: '^services/((?:core|wings)/[^/]+)/', pathNot: notATest },
      { path: '^services/(core|wings)/[^/]+/.+\\.(store|cache)\\.ts$', pathNot: '^services/($1|core/shared)/' },
      'SQL and Redis keys of a module change without asking others.',
    ),
    rule(
      'only their module opens stores and caches',
      { pathNot: `^services/(core|wings)/|${notATest}` },
      { path: '^services/(core|wings)/.+\\.(store|cache)\\.ts$' },
      'Processes call use-cases.',
    ),
    rule(
      'contracts and audit events are leaves',
      { path: '^services/(core|wings)/.+/([a-z-]*contract|audit-events)\\.ts$' },
      {
        path: '^(services|jobs|observability|cli)/',
        pathNot:
          '^services/platform/(define/|errors\\.ts)|^services/(core|wings)/.+/[a-z-]*(errors|contract|shapes|record)\\.ts$|^services/(core|wings)/(?!authority/)[a-z/-]+/permissions\\.ts$',
      },
      'Documentation, SDKs and tests read them without loading the product.',
    ),
    rule(
      'permissions are leaves',
      { path: '^services/(core|wings)/(?!authority/)[a-z/-]+/permissions\\.ts$' },
      { path: '^(services|jobs|observability|cli|prisma)/', pathNot: '^services/platform/define/' },
      'A contract names the permission that it requires, and loads nothing with it.',
    ),
    rule(
      'observability imports nothing of ours',
      { path: '^observability/' },
      { path: '^(services|jobs|cli|prisma|tools)/' },
      'Telemetry starts before everything else.',
    ),
    rule(
      'the API never loads a job processor',
      { path: '^services/api/' },
      { path: '^(jobs/processors\\.ts$|services/worker/)' },
      'The hot path does no slow work.',
    ),
    rule(
      'only the queue adapter imports BullMQ',
      { pathNot: `(${notATest}|^services/platform/queue/)` },
      { path: 'node_modules/bullmq/' },
      'One place that knows its locks, its options and its failures.',
    ),
    rule(
      'job contracts are leaves',
      { path: '^jobs/contracts/' },
      { path: '^(services|jobs|observability|cli)/', pathNot: '^services/platform/define/' },
      'A process that enqueues a job loads none of the code that runs it.',
    ),
    rule(
      'pages know no request, store or process',
      { path: '^services/pages/', pathNot: notATest },
      {
        path: '^(services/(api|worker|mcp|supervisor|embedding)|cli|jobs)/|\\.(store|cache)\\.ts$|node_modules/(fastify|@fastify|ioredis|pg|bullmq)/',
      },
      'A page is text made from data; routes fetch the data and send the page.',
    ),
    rule(
      'only the API shows pages',
      { path: '^(services|jobs|cli|observability)/', pathNot: `(${notATest}|^services/(api|pages)/)` },
      { path: '^services/pages/' },
      'Rules answer with data, which other callers need too.',
    ),
    rule(
      'a process imports no other process',
      { path: '^services/(api|worker|supervisor)/', pathNot: notATest },
      { path: '^services/(api|worker|mcp|supervisor)/', pathNot: '^services/$1/|^services/mcp/mount\\.ts$' },
      'They meet over sockets and queues.',
    ),
    rule(
      'only the entry of the API mounts the MCP server',
      { path: '^(services|jobs|cli)/', pathNot: `(${notATest}|^services/api/main\\.ts$)` },
      { path: '^services/mcp/mount\\.ts$' },
      'It is a part of an API process that loads its code with its first request.',
    ),
    rule(
      'the MCP server shares only the HTTP layer of the API',
      { path: '^services/mcp/', pathNot: `(${notATest}|^services/mcp/(face|mount)\\.ts$)` },
      { path: '^services/((worker|supervisor)/|api/(main|server|compose|compose-identity)\\.ts)' },
      'Both answer requests with the same callers, limits and errors, each with its own routes. As a part of an API process it takes what that has composed.',
    ),
    rule(
      'load tests are black boxes',
      { path: '^load-tests/(scenarios|lib)/' },
      { path: '^(services|jobs|observability)/' },
      'What they measure is what a client sees.',
    ),
    rule(
      'tests of a module alone start no process of the product',
      { path: '\\.db\\.test\\.ts$' },
      {
        path: '^(services/(api|worker)/(app|compose|main)\\.ts|services/supervisor/main\\.ts|cli/main\\.ts|tools/testing/harness/product\\.ts)$',
        reachable: true,
      },
      'What goes through the product is an `.integration.test.ts` or an `.all.test.ts`, and proves other things.',
    ),
    rule(
      'nothing shipped imports a test or its helpers',
      { path: '^(services|observability|cli|jobs)/', pathNot: notATest },
      { path: `(${notATest}|node_modules/(vitest|fast-check)/)` },
      'Test code never runs in production.',
    ),
    rule(
      'the product imports no tool',
      { path: '^(services|observability|cli|jobs)/', pathNot: notATest },
      { path: '^tools/' },
      'What builds, proves and measures the product is not shipped.',
    ),
    rule(
      'the product never imports the embedding faces',
      { path: '^(services|jobs|cli|observability)/', pathNot: `(${notATest}|^services/embedding/)` },
      { path: '^services/embedding/' },
      'They are for programs that embed Sallyport; the product calls the use-cases behind them.',
    ),
    rule(
      'a verifier package imports nothing of the product',
      { path: '^sdks/[^/]+/src/' },
      { path: '^(services|jobs|observability|cli|conformance|tools|prisma)/' },
      'It is installed without the repository.',
    ),
    rule(
      'the product imports no verifier package',
      { path: '^(services|jobs|cli|observability)/', pathNot: notATest },
      { path: '^sdks/' },
      'A second implementation that shares code with the first checks nothing.',
    ),
    rule(
      'an example service imports the packages for services, and nothing else of this repository',
      { path: '^examples/(tasks-[^/]+|event-receiver|payments)/' },
      { path: '^[a-z-]+/', pathNot: '^(examples/$1/|sdks/(typescript|client)/src/|node_modules/)' },
      'Services elsewhere have only the packages.',
    ),
    rule(
      'only what verifies a factor makes the proof of one',
      {
        pathNot: `(${notATest}|^services/core/identity/(users/(assurance|verified-elsewhere)|sessions/(passkey-ceremonies|session-assurance)|factors/(verify-code|register-passkey))\\.ts$|^services/wings/import/bridge/exchange-legacy-session\\.ts$)`,
      },
      { path: '^services/core/identity/users/factor-proof\\.ts$' },
      'A session of an account with a second factor needs the proof of one; who can make it can open every account.',
    ),
    rule(
      'only the adapter of Better Auth opens sessions',
      { pathNot: `(${notATest}|^services/core/identity/sessions/(auth|auth-factors|auth-engine)\\.ts$)` },
      { path: '^services/core/identity/sessions/auth-engine\\.ts$' },
      'Its interface takes the admission that `admitSession` makes; the engine behind it would take a user.',
    ),
    ...moduleOrder,
    ...wingRules,
    ...faceRules,
    ...roomOrder,
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    // The web examples have packages of their own; a test keeps their imports in their folders.
    exclude: { path: '^(services/platform/postgres/generated|examples/web-[^/]+|sdks/react/src)/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['node', 'import', 'types'],
      extensions: ['.ts', '.mjs', '.js'],
    },
  },
};
