import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type Accepted, type Finding, lockFlaws, npmFindings, unaccepted } from './advisories.ts';
import { onPath } from './debian-package.ts';
import { lagOf, OF_AUTHENTICATION } from './newest-releases.ts';

const HELP = `Looks up known vulnerabilities of every dependency, and fails on one that is high or critical. A dependency of
authentication also fails if it is more than 14 days behind its newest release.

  node tools/checks/dependencies.ts                   what cannot be looked up is SKIPPED
  node tools/checks/dependencies.ts --report <file>   writes the report there

With DEPENDENCY_AUDIT=required in the environment, what cannot be looked up fails.

npm audit, npm audit signatures and npm view ask the npm registry, pip-audit asks PyPI, govulncheck asks vuln.go.dev. The last two
are programs of their own: pipx install pip-audit, go install golang.org/x/vuln/cmd/govulncheck@latest. The report is
coverage/dependencies.json unless --report says otherwise. tools/checks/accepted-advisories.json lists what is accepted, why, and until when.
`;

const ROOT = resolve(import.meta.dirname, '../..');
const LOCKS = ['.', 'examples/web-next', 'examples/web-astro', 'tools/site/rspress'];
const PYTHON = ['sdks/python/requirements.txt', 'examples/tasks-fastapi/requirements.txt'];
const GO_MODULES = ['sdks/go', 'sdks/go/gin'];

type LookUp = {
  readonly what: string;
  readonly state: 'passed' | 'failed' | 'skipped';
  readonly findings: readonly Finding[];
  /** Why nothing was looked up, or what the program printed. */
  readonly why?: string;
};

function run(command: string, args: readonly string[], folder: string) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd: join(ROOT, folder),
    encoding: 'utf8',
    timeout: 120_000,
    maxBuffer: 64 * 1_024 * 1_024,
  });
  return { status, stdout: stdout ?? '', output: `${stdout ?? ''}${stderr ?? ''}${error?.message ?? ''}` };
}

const firstLine = (text: string): string =>
  text
    .split('\n')
    .find((line) => line.trim() !== '')
    ?.trim() ?? 'no output';
const whyNot = (output: string): string => {
  const status = /"statusCode": (\d+)|npm error code (\w+)/.exec(output);
  return status ? ` (${status[1] ?? status[2]})` : '';
};
const QUICK = ['--fetch-retries=0', '--fetch-timeout=20000'];

function lockFile(folder: string): LookUp {
  const flaws = lockFlaws(JSON.parse(readFileSync(join(ROOT, folder, 'package-lock.json'), 'utf8')));
  const what = `package-lock.json of ${folder}`;
  return { what, state: flaws.length === 0 ? 'passed' : 'failed', findings: [], why: flaws.slice(0, 5).join('; ') };
}

function npmAudit(folder: string, accepted: readonly Accepted[]): LookUp {
  const what = `npm audit of ${folder}`;
  const { stdout, output } = run('npm', ['audit', '--json', '--package-lock-only', ...QUICK], folder);
  const all = npmFindings(stdout);
  if (all === undefined)
    return { what, state: 'skipped', findings: [], why: `no answer of the registry${whyNot(output)}` };
  const findings = unaccepted(all, accepted, new Date());
  return { what, state: findings.length === 0 ? 'passed' : 'failed', findings };
}

/** Whether a dependency of authentication is current; a decision not to raise it is an acceptance. */
function newest(name: string, ours: string, accepted: readonly Accepted[]): LookUp {
  const what = `newest release of ${name}`;
  const { stdout, output } = run('npm', ['view', name, 'time', 'dist-tags.latest', '--json', ...QUICK], '.');
  const all = lagOf(name, ours, stdout, new Date());
  if (all === undefined)
    return { what, state: 'skipped', findings: [], why: `no answer of the registry${whyNot(output)}` };
  const findings = unaccepted(all, accepted, new Date());
  return { what, state: findings.length === 0 ? 'passed' : 'failed', findings };
}

/** Each package was signed by the registry that it says it is from. Needs an installed `node_modules`. */
function npmSignatures(): LookUp {
  const what = 'npm audit signatures';
  const { status, output } = run('npm', ['audit', 'signatures', ...QUICK], '.');
  if (status === 0) return { what, state: 'passed', findings: [] };
  const isRefuted = /invalid|missing/i.test(output) && /signature|attestation/i.test(output);
  return {
    what,
    state: isRefuted ? 'failed' : 'skipped',
    findings: [],
    why: isRefuted ? output.slice(0, 2_000) : firstLine(output),
  };
}

/**
 * A program that exits with 0 if it found nothing, and with `found` if it found something. pip-audit exits with 0 also
 * if the registry answered for no package.
 */
function program(what: string, command: string, args: readonly string[], folder: string, found: number): LookUp {
  if (onPath(command) === undefined)
    return { what, state: 'skipped', findings: [], why: `${command} is not installed` };
  const { status, output } = run(command, args, folder);
  const unknown = /^.*could not be audited.*$/m.exec(output)?.[0];
  if (status === 0 && unknown !== undefined) return { what, state: 'skipped', findings: [], why: unknown };
  if (status === 0) return { what, state: 'passed', findings: [] };
  return { what, state: status === found ? 'failed' : 'skipped', findings: [], why: output.trim().slice(0, 2_000) };
}

function main(): number {
  const text = { type: 'string', default: join(ROOT, 'coverage/dependencies.json') } as const;
  const { values } = parseArgs({ options: { report: text, help: { type: 'boolean' } } });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const isRequired = process.env.DEPENDENCY_AUDIT === 'required';
  const accepted = JSON.parse(
    readFileSync(join(import.meta.dirname, 'accepted-advisories.json'), 'utf8'),
  ) as readonly Accepted[];
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const ofAuthentication = Object.entries(dependencies).filter(([name]) => OF_AUTHENTICATION.test(name));
  const lookUps = [
    ...LOCKS.map(lockFile),
    ...LOCKS.map((folder) => npmAudit(folder, accepted)),
    ...ofAuthentication.map(([name, version]) => newest(name, version, accepted)),
    npmSignatures(),
    ...PYTHON.map((path) => program(`pip-audit of ${path}`, 'pip-audit', ['-r', path], '.', 1)),
    ...GO_MODULES.map((folder) => program(`govulncheck of ${folder}`, 'govulncheck', ['./...'], folder, 3)),
  ];
  for (const { what, state, findings, why } of lookUps) {
    const word = { passed: 'ok', failed: 'FAILED', skipped: isRequired ? 'FAILED' : 'SKIPPED' }[state];
    process.stdout.write(`${word}: ${what}${why ? `: ${why}` : ''}\n`);
    for (const { severity, name, title, id } of findings)
      process.stdout.write(`  ${severity} ${name}: ${title} (${id})\n`);
  }
  mkdirSync(dirname(values.report), { recursive: true });
  const report = { lookedUpAt: new Date().toISOString(), accepted, lookUps };
  writeFileSync(values.report, `${JSON.stringify(report, null, 2)}\n`);
  return lookUps.some(({ state }) => state === 'failed' || (isRequired && state === 'skipped')) ? 1 : 0;
}

process.exitCode = main();
