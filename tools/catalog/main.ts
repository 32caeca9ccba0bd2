import { spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { jobs } from '#jobs/schedules.ts';
import keptReplay from '#load-tests/detections/result.json' with { type: 'json' };
import { benchmarksPage } from '#load-tests/lib/benchmarks-page.ts';
import { keptAges, newAges } from '#load-tests/lib/figure-age.ts';
import { needOfTasks, taskToolsOf } from '#services/mcp/task-shapes.ts';
import { plainToolsOf } from '#services/mcp/task-tools.ts';
import { toolsOf } from '#services/mcp/tools.ts';
import { loadList, modules } from '#services/modules.ts';
import { consoleFiles } from '#services/pages/console-operations.ts';
import { ADVISORIES } from '#services/platform/advisories/advisories.ts';
import { openApiOf } from '#services/platform/http/openapi.ts';
import { readMigrations, readReleases } from '#services/platform/postgres/migration-files.ts';
import { controls } from '#services/wings/compliance/controls/all.ts';
import { failuresPage, keptReports } from '#tools/chaos/failures-page.ts';
import { flows } from '#tools/testing/flow-matrix.ts';
import { type CruisedModule, couplingOf } from '../checks/coupling.ts';
import { testTitles } from '../checks/test-titles.ts';
import { installedVersions } from '../image/installed-versions.ts';
import { modulesPicture, processesPicture, walksPicture } from './architecture.ts';
import { authorityPage } from './authority-page.ts';
import { clientTypes, type OpenApi } from './client-types.ts';
import { collectAuditEvents, collectEndpoints, collectErrors } from './collect.ts';
import { controlsPage, responsibilitiesPage, threatsPage } from './compliance-pages.ts';
import { databasePage } from './database-page.ts';
import { detectionsPage, detectionTexts, type KeptReplay } from './detections-page.ts';
import { licencesPage, shippedPackages } from './licences-page.ts';
import { LISTED_IN, withModules } from './module-lists.ts';
import { ownNamesTs } from './own-names.ts';
import {
  advisoriesPage,
  auditEventsPage,
  configurationPage,
  dashboardFiles,
  endpointsPage,
  envExample,
  errorsPage,
  flowsPage,
  jobsPage,
  metricsPage,
  moduleGraphPage,
  permissionsPage,
} from './pages.ts';
import { problemTexts } from './problem-texts.ts';
import { securityTestsPage, testedAdvisories } from './security-tests-page.ts';
import { siemEventsPage } from './siem-events-page.ts';
import { sizingPage } from './sizing.ts';
import untestedAdvisories from './untested-advisories.json' with { type: 'json' };
import { upgradesPage } from './upgrades-page.ts';
import {
  verifierConstantsGo,
  verifierConstantsPy,
  verifierConstantsTs,
  verifierContractJson,
} from './verifier-contract.ts';

const ROOT = resolve(import.meta.dirname, '../..');

function modulePairs(): readonly string[] {
  const cli = resolve(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const options = ['--config', '.dependency-cruiser.mjs', '--output-type', 'json', 'services/core', 'services/wings'];
  const run = spawnSync(process.execPath, [cli, ...options], { cwd: ROOT, encoding: 'utf8', maxBuffer: 2 ** 26 });
  return couplingOf((JSON.parse(run.stdout) as { modules: CruisedModule[] }).modules).pairs;
}

async function pages(isCheck: boolean): Promise<Record<string, string>> {
  const { version } = JSON.parse(await readFile(resolve(ROOT, 'package.json'), 'utf8')) as { version: string };
  const [endpoints, errors, events] = [await collectEndpoints(), await collectErrors(), await collectAuditEvents()];
  const openApi = openApiOf(endpoints, version);
  const benchmarks = await readFile(resolve(ROOT, 'docs/benchmarks.md'), 'utf8').catch(() => '');
  const agesOf = isCheck ? keptAges : newAges;

  const kinds = await loadList('tasks');
  const tools = [...(await toolsOf({ leftOut: [] })), ...taskToolsOf(kinds), ...plainToolsOf(needOfTasks(kinds))];
  const names = tools.map(({ name }) => name);

  const lists = LISTED_IN.map(async (path) => [path, withModules(path, await readFile(resolve(ROOT, path), 'utf8'))]);

  return {
    ...Object.fromEntries(await Promise.all(lists)),
    ...dashboardFiles(),
    '.env.example': envExample(),
    'console/src/texts/generated/detections.ts': detectionTexts(),
    ...(await consoleFiles(modules)),
    'console/src/texts/generated/problems.ts': problemTexts(endpoints),
    'conformance/contract.json': verifierContractJson(),
    'docs/benchmarks.md': benchmarksPage(resolve(ROOT, 'load-tests/results'), agesOf(benchmarks)),
    'docs/explanation/architecture-modules.svg': modulesPicture(),
    'docs/explanation/architecture-processes.svg': processesPicture(),
    'docs/explanation/architecture-walks.svg': walksPicture(),
    'docs/reference/authority.md': authorityPage(endpoints, tools),
    'docs/reference/audit-events.md': auditEventsPage(events),
    'docs/reference/compliance-controls.md': controlsPage(controls),
    'docs/reference/compliance-responsibilities.md': responsibilitiesPage(controls),
    'docs/reference/compliance-threats.md': threatsPage(controls),
    'docs/reference/configuration.md': configurationPage(),
    'docs/reference/database.md': databasePage(),
    'docs/reference/endpoints.md': endpointsPage(endpoints),
    'docs/reference/errors.md': errorsPage(errors),
    'docs/explanation/failures.md': failuresPage(keptReports(resolve(ROOT, 'tools/chaos/results'))),
    'docs/explanation/security-tests.md': securityTestsPage(testedAdvisories(testTitles(ROOT)), untestedAdvisories),
    'docs/reference/flows.md': flowsPage(flows),
    'docs/reference/jobs.md': jobsPage(jobs),
    'docs/reference/metrics.md': metricsPage(),
    'docs/reference/permissions.md': permissionsPage(modules, endpoints),
    'docs/reference/advisories.md': advisoriesPage(ADVISORIES, installedVersions()),
    'docs/reference/licences.md': licencesPage(shippedPackages()),
    'docs/reference/siem-events.md': siemEventsPage(events),
    'docs/reference/detections.md': detectionsPage(keptReplay as KeptReplay),
    'docs/reference/sizing.md': sizingPage(resolve(ROOT, 'load-tests/results')),
    'docs/reference/module-graph.md': moduleGraphPage(modulePairs()),
    'docs/reference/upgrades.md': upgradesPage(
      await readReleases(),
      await readMigrations(),
      await readFile(resolve(ROOT, 'CHANGELOG.md'), 'utf8'),
    ),
    'sdks/client/src/generated/api.ts': clientTypes(openApi as OpenApi, errors),
    'services/core/audit/seal/own-names.ts': ownNamesTs(endpoints, errors, names),
    'sdks/go/contract.go': verifierConstantsGo(),
    'sdks/python/src/sallyport_verifier/_contract.py': verifierConstantsPy(),
    'sdks/typescript/src/generated/contract.ts': verifierConstantsTs(),
  };
}

const HELP = `Rewrites docs/reference, the dashboards, .env.example and the contract of the verifiers from the definitions,
docs/benchmarks.md from the newest results of npm run bench, and what README.md, CONTRIBUTING.md and the page of features say of each module.

  npm run catalog            write
  npm run catalog -- --check exit 1 if a page does not match the definitions
`;

const wanted = process.argv.slice(2);
if (wanted.includes('--help')) {
  process.stdout.write(HELP);
} else {
  const check = wanted.includes('--check');
  const stale: string[] = [];
  for (const [path, text] of Object.entries(await pages(check))) {
    const file = resolve(ROOT, path);
    const held = await readFile(file, 'utf8').catch(() => null);
    if (held === text) continue;
    stale.push(path);
    if (check) continue;
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
  for (const path of stale) process.stderr.write(`${check ? 'stale' : 'wrote'} ${path}\n`);
  if (check && stale.length > 0) {
    process.stderr.write('The reference does not match the definitions. Run: npm run catalog\n');
    process.exitCode = 1;
  }
}
