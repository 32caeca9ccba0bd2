import { atBoot, defineCounter, defineGauge, defineHistogram, type HistogramSeries } from './instruments.ts';

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
const statuses =
  '200 201 202 204 302 303 304 400 401 403 404 405 406 408 409 410 412 413 414 415 422 429 431 499 500 501 502 503 504'.split(
    ' ',
  );
const STATUS_MAX = 600;

const requestDuration = defineHistogram({
  name: 'http_server_request_duration_seconds',
  help: 'Time from the request line to the last byte of the response, by route pattern.',
  labels: { method: methods, route: atBoot, status: statuses },
  // Few bounds: each is one series for every route and status, and a used installation has hundreds of those.
  buckets: [0.0025, 0.01, 0.05, 0.1, 1],
  otel: {
    name: 'http.server.request.duration',
    labels: { method: 'http.request.method', route: 'http.route', status: 'http.response.status_code' },
  },
});

export const activeRequests = defineGauge({
  name: 'http_server_active_requests',
  help: 'Requests received and not yet answered.',
  otel: { name: 'http.server.active_requests' },
});

/** Requests that could change something and were not processed. They changed nothing. */
export const requestsDropped = defineCounter({
  name: 'sallyport_http_requests_dropped',
  help: 'Requests that were not processed, by reason. unread: the request may have waited more than a second before the process read it. caller_left: the caller had disconnected.',
  labels: { reason: ['unread', 'caller_left'] },
});

/** The duration metric of one route and method. Keep it with the route, so that a record costs two array reads. */
export type RouteMetric = {
  /**
   * @param status the HTTP status sent, 499 when the client disconnected
   * @param exemplarTraceId trace id of a sampled request
   */
  record(status: number, seconds: number, exemplarTraceId?: string): void;
};

function routeMetric(method: string, route: string): RouteMetric {
  const byStatus: (HistogramSeries | undefined)[] = new Array(STATUS_MAX);
  return {
    record(status, seconds, exemplarTraceId) {
      const at = status >= 100 && status < STATUS_MAX ? status : 0;
      let series = byStatus[at];
      if (series === undefined) {
        // A method outside the list becomes `other` (the semantic convention has `_OTHER`).
        series = requestDuration.at({ method: method as (typeof methods)[number], route, status: String(at) });
        byStatus[at] = series;
      }
      series.record(seconds, exemplarTraceId);
    },
  };
}

/** Requests that matched no route: all unknown paths. */
const unmatched: ReadonlyMap<string, RouteMetric> = new Map(methods.map((method) => [method, routeMetric(method, '')]));
const unmatchedOther = routeMetric('', '');

export const httpMetrics = {
  /** Closes the list of route patterns. Call once, after the last route is registered and before the first request. */
  registerRoutes(patterns: readonly string[]): void {
    requestDuration.closeLabel('route', patterns);
  },
  /** The metric of a registered route. An unregistered one is recorded as `other`. */
  route: routeMetric,
  /** The metric of requests that matched no route. */
  unmatched(method: string): RouteMetric {
    return unmatched.get(method) ?? unmatchedOther;
  },
};
