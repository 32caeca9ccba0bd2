/** `npm run test:chart`: lints and renders deploy/helm, compares the renders, and checks them against Kubernetes. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chart, golden, hashOfSources, renders, withoutVersion } from './sources.ts';
import { helm, kubeconform, kubernetesSchemas } from './tools.ts';

const HELP = `npm run test:chart [-- --update]

Runs helm lint on deploy/helm, compares its renders with tools/chart/golden, asks kubeconform whether Kubernetes knows
every member, and checks that bad values are refused. helm, kubeconform and the schemas come from Go modules, once.

  --update   write the golden renders
`;

const say = (text: string): void => void process.stdout.write(`chart: ${text}\n`);

/** Values that the chart must refuse, and a part of what it then says. */
const REFUSED: readonly (readonly [value: string, words: RegExp])[] = [
  ['url=http://auth.example.com', /url.*pattern/s],
  ['existingSecret=', /existingSecret.*pattern/s],
  ['api.resources.limits.cpu=2', /api\.resources\.limits|\/api\/resources\/limits/],
  ['api.autoscaling.minReplicas=1', /minReplicas/],
  ['settings.SMTP_URL=smtp://user:password@mail', /invalid propertyName 'SMTP_URL'/],
  ['settings.lower=1', /invalid propertyName 'lower'/],
  ['replicas=3', /replicas/],
];

function run(command: string, args: readonly string[], input?: string) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', input });
  return { ok: status === 0, stdout: stdout ?? '', output: `${error?.message ?? ''}${stdout ?? ''}${stderr ?? ''}` };
}

function check(isUpdate: boolean): void {
  const [helmProgram, kubeconformProgram, schemas] = [helm(say), kubeconform(say), kubernetesSchemas(say)];
  mkdirSync(golden, { recursive: true });
  for (const [name, values] of Object.entries(renders)) {
    const linted = run(helmProgram, ['lint', '--strict', chart, ...values]);
    if (!linted.ok) throw new Error(`helm lint (${name}):\n${linted.output}`);
    const rendered = run(helmProgram, ['template', 'sallyport', chart, '--namespace', 'auth', ...values]);
    if (!rendered.ok) throw new Error(`helm template (${name}):\n${rendered.output}`);
    const path = join(golden, `${name}.yaml`);
    const lasting = withoutVersion(rendered.stdout);
    if (isUpdate) writeFileSync(path, lasting);
    else if (readFileSync(path, 'utf8') !== lasting)
      throw new Error(
        `the render of ${name} is not that of ${path}\n  fix: npm run test:chart -- --update, and read the diff`,
      );
    // A resource of the Prometheus operator, which Kubernetes itself does not know.
    const options = ['-strict', '-summary', '-skip', 'ServiceMonitor', '-schema-location', schemas];
    const conforming = run(kubeconformProgram, options, rendered.stdout);
    if (!conforming.ok) throw new Error(`kubeconform (${name}):\n${conforming.output}`);
    say(`${name}: ${conforming.output.trim()}`);
    const misspelt = rendered.stdout.replace('topologySpreadConstraints:', 'topologySpreadConstraint:');
    if (run(kubeconformProgram, options, misspelt).ok) throw new Error('kubeconform accepts a misspelt member');
  }
  for (const [value, words] of REFUSED) {
    const { ok, output } = run(helmProgram, ['template', 'sallyport', chart, '--set', value]);
    if (ok || !words.test(output))
      throw new Error(`--set ${value} is not refused as it should be:\n${output.slice(0, 500)}`);
  }
  say(`${REFUSED.length} bad values are refused by values.schema.json`);
  if (isUpdate) writeFileSync(join(golden, 'sources.sha256'), `${hashOfSources()}\n`);
}

const { values } = parseArgs({ options: { update: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } });
if (values.help) process.stdout.write(HELP);
else
  try {
    check(values.update ?? false);
  } catch (err) {
    process.stderr.write(`chart: ${(err as Error).message}\n`);
    process.exitCode = 1;
  }
