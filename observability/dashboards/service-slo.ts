import type { DashboardDefinition, PanelQuery } from './define.ts';
import { folded, percentile, perSecond } from './queries.ts';

const REQUESTS = 'http_server_request_duration_seconds';
const SERVED = 'route!~"/healthz|/readyz"';
const VALIDATE = 'route="/v1/tokens/validate"';

const percentiles = (matchers: string, by = ''): readonly PanelQuery[] =>
  [0.5, 0.95, 0.99].map((share) => ({ ...percentile(share, `${REQUESTS}{${matchers}}`, by), exemplar: true }));

/** How fast a budget is used up: 1 is the pace at which it lasts for its whole period. */
const burnOf = (rule: string, budget: number) => ({
  unit: 'none' as const,
  width: 12,
  badFrom: 14.4,
  warnFrom: 6,
  min: 0,
  queries: ['1h', '6h', '3d'].map((time) => ({
    expr: `sallyport:${rule}:ratio_rate${time} / ${budget}`,
    legend: time.replace(/[hd]/, ' $&'),
  })),
});

export const serviceSlo: DashboardDefinition = {
  uid: 'sallyport-service-slo',
  title: 'Sallyport · service SLO',
  description: 'Whether callers are served: requests answered, validation fast. Start here.',
  rows: [
    {
      title: 'Objectives',
      panels: [
        {
          title: 'Requests answered, 3 days',
          description:
            'Share of requests without a 5xx over three days; the objective is 99.9 %. Probes are not counted.',
          unit: 'percentunit',
          kind: 'stat',
          queries: [{ expr: '1 - sallyport:http_requests_failed:ratio_rate3d', legend: 'answered' }],
        },
        {
          title: 'Validations within 10 ms, 3 days',
          description:
            'Share of POST /v1/tokens/validate answered within 10 ms over three days; the objective is 99 %.',
          unit: 'percentunit',
          kind: 'stat',
          queries: [{ expr: '1 - sallyport:validate_slow:ratio_rate3d', legend: 'fast' }],
        },
        {
          title: 'Copies ready',
          description:
            'API copies whose components are all healthy. The load balancer sends no requests to a copy that is not ready.',
          unit: 'none',
          kind: 'stat',
          queries: [
            folded('sum', 'min by (instance, process) (sallyport_component_ready{component!="redis"})', '', 'ready'),
          ],
        },
        {
          title: 'Requests in progress',
          description:
            'Requests received and not yet answered, over all copies. A rise without more traffic means that responses take longer.',
          unit: 'none',
          kind: 'stat',
          queries: [folded('sum', 'http_server_active_requests', '', 'requests')],
        },
        {
          title: 'Requests dropped',
          description:
            'Requests that could change something and were not processed, per second. `unread`: the request may have waited more than a second before this process read it. `caller_left`: its connection had closed. The client can safely retry.',
          unit: 'reqps',
          width: 6,
          queries: [perSecond('sallyport_http_requests_dropped_total', 'reason')],
        },
        {
          title: 'Error budget burn, availability',
          description:
            'How many times faster than allowed the 0.1 % error budget is used up. Alerts page at 14.4 over 1 h and at 6 over 6 h.',
          ...burnOf('http_requests_failed', 0.001),
          traces: '{ resource.service.name = "sallyport-api" && status = error }',
          logs: '{service_namespace="sallyport"} | json | level=~"warn|error"',
        },
        {
          title: 'Error budget burn, validation latency',
          description: 'How many times faster than allowed the 1 % budget of slow validations is used up.',
          ...burnOf('validate_slow', 0.01),
          traces: '{ span.http.route = "/v1/tokens/validate" && duration > 10ms }',
        },
      ],
    },
    {
      title: 'Rate, errors, duration by route',
      panels: [
        {
          title: 'Requests by route',
          description:
            'Requests per second by route pattern. `other` is a path that does not exist: scanners, or a client with a wrong address.',
          unit: 'reqps',
          queries: [perSecond(`${REQUESTS}_count`, 'route')],
        },
        {
          title: 'Failures by route',
          description:
            'Responses with a 5xx by route and status. 503: a component is unreachable or full. 500: a defect; open its trace.',
          unit: 'reqps',
          queries: [perSecond(`${REQUESTS}_count{status=~"5.."}`, 'status, route')],
          traces: '{ resource.service.name = "sallyport-api" && status = error }',
          logs: '{service_namespace="sallyport"} | json | msg="request failed"',
        },
        {
          title: 'Refusals by route',
          description: 'Responses with a 4xx by route and status. For many 401 and 429 see the security dashboard.',
          unit: 'reqps',
          queries: [perSecond(`${REQUESTS}_count{status=~"4.."}`, 'status, route')],
        },
        {
          title: 'Duration, all routes',
          description:
            'Percentiles over all requests except probes. Dots are sampled requests: click one to open its trace.',
          unit: 's',
          queries: percentiles(SERVED),
        },
        {
          title: 'p99 duration by route',
          description:
            'p99 of each route. Sign-in and sign-up include bcrypt and take a hundred times as long as the others.',
          unit: 's',
          queries: percentiles(SERVED, 'route').slice(2),
        },
        {
          title: 'Duration of validate',
          description:
            'POST /v1/tokens/validate as callers see it. Validation does no I/O, so a rise means a busy event loop or a machine without free CPU.',
          unit: 's',
          badFrom: 0.01,
          queries: percentiles(VALIDATE),
          traces: '{ span.http.route = "/v1/tokens/validate" }',
        },
        {
          title: 'Served requests',
          description: 'Requests counted for the availability objective, over all copies.',
          unit: 'reqps',
          width: 12,
          queries: [perSecond(`${REQUESTS}_count{${SERVED}}`, '', 'requests')],
        },
        {
          title: 'Restarts and failed scrapes',
          description:
            'Restarts of processes, counted by the supervisor or by their uptime, and scrapes that a process did not answer. Both should stay at zero.',
          width: 12,
          queries: [
            {
              expr: 'sum by (instance, process) (increase(sallyport_child_restarts_total[$__rate_interval])) or sum by (instance, process) (resets(process_uptime_seconds[$__rate_interval]))',
              legend: 'restart {{instance}} {{process}}',
            },
            {
              expr: 'sum by (instance, process) (increase(sallyport_scrape_failures_total[$__rate_interval])) or 1 - min by (instance) (up{job=~"sallyport.*"})',
              legend: 'no answer {{instance}} {{process}}',
            },
          ],
        },
      ],
    },
    {
      title: 'Tokens',
      panels: [
        {
          title: 'Validations by result',
          description: 'Token validations per second. Unavailable: the copy could not decide, and the caller got 503.',
          unit: 'ops',
          queries: [perSecond('sallyport_token_validations_total', 'result')],
          traces: '{ span.http.route = "/v1/tokens/validate" }',
        },
        {
          title: 'Refresh by outcome',
          description:
            'Refresh tokens presented per second, by outcome. All but rotated, kept, grace, lost_answer and stale_copy were refused.',
          unit: 'ops',
          queries: [perSecond('sallyport_token_refreshes_total', 'outcome')],
          traces: '{ span.http.route = "/v1/tokens/refresh" }',
        },
        {
          title: 'p99 to issue, by grant',
          description: 'Time to issue a token, including database and signature.',
          unit: 's',
          queries: [percentile(0.99, 'sallyport_token_issue_duration_seconds', 'grant', '')],
        },
      ],
    },
  ],
};
