// The validate route in a process of its own, without stores, against a bare Fastify route and raw verification.
// Run: node load-tests/bench/validate.ts [rounds] [seconds]
import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { validate } from '../lib/api-client.ts';
import { BenchContext } from '../lib/bench.ts';
import { requireClean } from '../lib/generator.ts';
import { alternate, medianOf, type Speed, speedOf } from '../lib/rounds.ts';
import { measureClosed, raw, type Target } from './setup.ts';

const rounds = Number(process.argv[2] ?? 3);
const seconds = Number(process.argv[3] ?? 4);
const CONNECTIONS = 64;
const REPEATED_TOKENS = 1_000;
const FRESH_TOKENS_PER_ROUND = 8_000;

const ISSUER = 'http://127.0.0.1:3000';
const KID = 'bench-key';
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const header = Buffer.from(JSON.stringify({ alg: 'RS256', kid: KID, typ: 'at+jwt' })).toString('base64url');

/** The claims of a login's token, at their usual sizes. */
function mint(): string {
  const now = Math.floor(Date.now() / 1_000);
  const claims = {
    iss: ISSUER,
    aud: ISSUER,
    sub: randomUUID(),
    client_id: 'sallyport',
    iat: now,
    exp: now + 900,
    jti: randomUUID(),
    sid: randomUUID(),
    fid: randomUUID(),
    scope: 'openid profile email offline_access',
    roles: ['user'],
    permissions: [],
    email: 'user@example.test',
    auth_time: now,
    ue: 0,
    ce: 0,
  };
  const input = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}
const minted = (count: number): string[] => Array.from({ length: count }, mint);

const context = new BenchContext({ rounds, pairs: rounds, seconds, say: (text) => console.error(text) });
try {
  const route = context.baseline('validate-route.ts', {
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.01',
  });
  const ours: Target = {
    api: await route.ask<string>({
      issuer: ISSUER,
      kid: KID,
      publicKey: publicKey.export({ type: 'spki', format: 'pem' }),
    }),
    pid: route.pid,
  };
  const tokens = minted(REPEATED_TOKENS);
  const answer = await validate(ours.api, tokens[0]!);
  if (!answer.active) throw new Error(`refused: ${answer.reason}`);
  const bareWorker = context.baseline('bare-route.ts');
  const bare: Target = { api: await bareWorker.ask<string>({ answer }), pid: bareWorker.pid };
  const crypto = context.baseline('raw-crypto.ts');
  const generator = context.generator();
  await generator.put('known', tokens);
  const known = { kind: 'validate', stock: 'known' } as const;
  const bytes = tokens[0]!.lastIndexOf('.');
  let stocks = 0;

  const measured = await alternate(
    rounds,
    {
      bare: () => measureClosed(context, bare, known, CONNECTIONS),
      ours: () => measureClosed(context, ours, known, CONNECTIONS),
      verify: () => raw(crypto, { operation: 'rs256-verify', seconds: 2, bytes, inFlight: 1 }),
      fresh: async () => {
        stocks += 1;
        const stock = `fresh-${stocks}`;
        await generator.put(stock, minted(FRESH_TOKENS_PER_ROUND));
        await measureClosed(context, ours, known, CONNECTIONS, 1);
        const workload = { kind: 'validate', stock, once: true } as const;
        const arrival = { kind: 'closed', connections: CONNECTIONS } as const;
        const streams = [{ name: 'fresh', api: ours.api, workload, arrival }];
        return speedOf(requireClean(await generator.run({ warmUpSeconds: 0, seconds: 60, pid: ours.pid, streams })));
      },
    },
    (round, { bare: base, ours: us, verify, fresh }) =>
      console.error(
        `round ${round}: bare ${base.perCpuSecond.toFixed(0)}, ours ${us.perCpuSecond.toFixed(0)}, verify ${verify.perCpuSecond.toFixed(0)}, fresh ${fresh.perCpuSecond.toFixed(0)} a CPU-second`,
      ),
  );
  const ceiling = (round: { bare: Speed; verify: Speed }): number =>
    1 / (1 / round.bare.perCpuSecond + 1 / round.verify.perCpuSecond);
  const line = (name: string, value: number, target: number): void =>
    console.log(`${name.padEnd(58)} ${value.toFixed(3)} (target ${target})`);
  line(
    'repeated tokens ÷ bare route, per CPU-second',
    medianOf(measured, (round) => round.ours.perCpuSecond / round.bare.perCpuSecond),
    0.75,
  );
  line(
    'never-seen RS256 tokens ÷ 1/(1/bare + 1/verify), per CPU-second',
    medianOf(measured, (round) => round.fresh.perCpuSecond / ceiling(round)),
    0.8,
  );
} finally {
  await context.close();
}
