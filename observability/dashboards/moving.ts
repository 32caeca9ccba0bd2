import type { DashboardDefinition } from './define.ts';
import { folded, perSecond } from './queries.ts';

const IMPORT_TRACES = '{ resource.service.name = "sallyport-worker" && name = "run-imports" }';
const WORKER_LOGS = '{service_name="sallyport-worker"}';

export const moving: DashboardDefinition = {
  uid: 'sallyport-moving',
  title: 'Sallyport · moving in',
  description:
    'How far the move from another provider is: users imported, sessions and tokens that still come from there. `sallyport import status` shows what is left to do.',
  rows: [
    {
      title: 'Imports of the last 90 days, by jobs and by the command',
      logs: WORKER_LOGS,
      panels: [
        {
          title: 'Import progress',
          description:
            'Share of the bytes of all imports that was read. Below 1 and level: a command was interrupted, and goes on when it is repeated.',
          unit: 'share',
          queries: [
            {
              expr: 'max(sallyport_import_bytes{state="read"}) / max(sallyport_import_bytes{state="all"})',
              legend: 'read',
            },
          ],
          traces: IMPORT_TRACES,
        },
        {
          title: 'Records by outcome',
          description:
            'Records that imports have read. Rejected records have their line and reason in the output of the import.',
          queries: [folded('max', 'sallyport_import_records', 'outcome')],
        },
        {
          title: 'Records per second',
          description: 'How fast records are imported, by outcome. Users that did not change cost the least.',
          unit: 'ops',
          queries: [folded('max', 'deriv(sallyport_import_records[$__rate_interval])', 'outcome')],
        },
      ],
    },
    {
      title: 'The bridge',
      panels: [
        {
          title: 'Tokens of the old provider',
          description:
            'Share of accepted access tokens that the old provider issued. It falls to zero before LEGACY_BRIDGE_UNTIL; a level share means that an application still uses the old provider.',
          unit: 'percentunit',
          min: 0,
          queries: [
            {
              expr: 'sum(rate(sallyport_legacy_validations_total{outcome="active"}[$__rate_interval])) / (sum(rate(sallyport_legacy_validations_total{outcome="active"}[$__rate_interval])) + sum(rate(sallyport_token_validations_total{result="active"}[$__rate_interval])))',
              legend: 'share',
            },
          ],
        },
        {
          title: 'Sessions carried over',
          description:
            'Exchanges of live sessions of the old provider per second, by outcome. Refusals have their code in the audit log.',
          unit: 'ops',
          queries: [perSecond('sallyport_logins_total{factor="legacy_session"}', 'outcome')],
        },
        {
          title: 'Passwords checked at the old provider',
          description:
            'First sign-ins of users whose password is still there, per second. Failed and not_asked: the old provider is slow or away, and these users get 503.',
          unit: 'ops',
          queries: [perSecond('sallyport_former_password_checks_total', 'outcome')],
        },
      ],
    },
  ],
};
