import { defineSettings, type SettingsOf } from '../define/setting.ts';
import {
  oneOf,
  optionalHeader,
  optionalText,
  optionalUrl,
  originList,
  proxyRangeList,
  textOr,
  wholeNumber,
} from './shapes.ts';

export const serverSettings = defineSettings({
  profile: {
    env: 'SALLYPORT_PROFILE',
    schema: oneOf(['development', 'staging', 'production'], 'development'),
    use: 'Set of safety rules enforced at start: development, staging or production. NODE_ENV has no effect on it.',
  },
  host: {
    env: 'HOST',
    schema: textOr('localhost', 255),
    use: 'Address the API listens on; localhost: 127.0.0.1 and, where the machine has it, ::1.',
  },
  port: { env: 'PORT', schema: wholeNumber(3000, 0, 65_535), use: 'Port the API listens on.' },
  metricsPort: {
    env: 'METRICS_PORT',
    schema: wholeNumber(9464, 0, 65_535),
    use: 'Port that serves /metrics: of one process, or, under a supervisor, of all its processes.',
  },
  tasksPort: {
    env: 'TASKS_PORT',
    schema: wholeNumber(8000, 0, 65_535),
    use: 'Port of the tasks API, the example service of `npm start -- --with tasks`.',
  },
  apiCopies: {
    env: 'API_COPIES',
    schema: wholeNumber(1, 0, 1),
    use: 'Whether `sallyport start` runs the API (1) or not (0). More API processes are units of systemd, containers or pods.',
  },
  dataDir: {
    env: 'SALLYPORT_DATA_DIR',
    schema: textOr('./.sallyport', 1_024),
    use: 'Folder of local databases, high-water marks and development credentials.',
  },
  publicUrl: {
    env: 'BETTER_AUTH_URL',
    schema: optionalUrl(),
    use: 'Public URL of the API, which pages are redirected to; unset: HOST (localhost if that names no single address) and PORT.',
  },
  corsOrigins: {
    env: 'CORS_ORIGINS',
    schema: originList(),
    use: 'Origins whose pages may send requests with cookies, comma separated. In development, while the API is on this machine, pages on every port of it may too.',
  },
  trustedProxies: {
    env: 'TRUSTED_PROXIES',
    schema: proxyRangeList(),
    use: 'Addresses or CIDR ranges of proxies whose X-Forwarded-For is trusted, comma separated.',
  },
  clientCertHeader: {
    env: 'CLIENT_CERT_HEADER',
    schema: optionalHeader(),
    use: 'Header in which trusted proxies forward the client certificate of a connection; unset: none is read.',
  },
  clientCertAuthoritiesFile: {
    env: 'CLIENT_CERT_CA_FILE',
    schema: optionalText(1_024),
    use: 'PEM file with the authorities that issue client certificates; clients may then authenticate with tls_client_auth.',
  },
  metricsSocket: {
    env: 'SALLYPORT_METRICS_SOCKET',
    schema: optionalText(1_024),
    use: 'Set by the supervisor: socket on which this process serves its metrics.',
  },
  generated: {
    env: 'SALLYPORT_GENERATED',
    schema: optionalText(),
    use: 'Set by the supervisor: names of the variables that it generated, which production needs from the operator.',
  },
  build: {
    env: 'SALLYPORT_BUILD',
    schema: optionalText(64),
    use: 'Commit or build id of this deployment, which `sallyport releases list` shows; unset: the commit of the checkout.',
  },
  logLevel: {
    env: 'LOG_LEVEL',
    schema: oneOf(['debug', 'info', 'warn', 'error', 'silent'], 'info'),
    use: 'Minimum log level.',
  },
  drainSeconds: {
    env: 'DRAIN_SECONDS',
    schema: wholeNumber(10, 0, 25),
    use: 'How long a stopping API process waits for requests in progress, seconds.',
  },
  drainNoticeSeconds: {
    env: 'DRAIN_NOTICE_SECONDS',
    schema: wholeNumber(0, 0, 25),
    use: 'How long a stopping API process still answers every request while `/readyz` is 503, so that load balancers stop sending first, seconds.',
  },
});

const THIS_MACHINE = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/;

/**
 * Origins whose pages may read answers and write with the session cookie; the only place that decides it. It lists those
 * that were named. In development, if the API is on this machine (`own`), it also has every port of this machine.
 */
export function trustedOrigins(
  { profile, corsOrigins }: Pick<SettingsOf<typeof serverSettings>, 'profile' | 'corsOrigins'>,
  own: readonly string[],
): ReadonlySet<string> {
  const named = new Set([...own, ...corsOrigins]);
  if (profile !== 'development' || !own.every((origin) => THIS_MACHINE.test(origin))) return named;
  return Object.assign(new Set(named), { has: (origin: string) => named.has(origin) || THIS_MACHINE.test(origin) });
}
