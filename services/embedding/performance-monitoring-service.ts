import type { Ports } from '../core/ports.ts';
import { type Capacity, readCapacity } from '../wings/monitoring/capacity/read-capacity.ts';
import type { Duration, PerformancePart, Rate, ResourcesPart } from '../wings/monitoring/dashboard-shapes.ts';
import { readDashboard } from '../wings/monitoring/read-dashboard.ts';
import { assertWing, type HasWings } from './assert-wing.ts';

type Freshness = Pick<PerformancePart, 'state' | 'as_of'>;

/** Of all copies, within the last `window_seconds`. */
export type PerformanceMetric = Freshness & Duration & Pick<PerformancePart, 'window_seconds'>;
export type SuccessRateMetric = Freshness & Rate;
export type ResourceUsage = ResourcesPart;
export type CapacityPrediction = Pick<Capacity, 'as_of' | 'sampled_hour' | 'days_needed' | 'predictions'>;
export type OptimizationResult = Pick<Capacity, 'as_of' | 'sampled_hour' | 'advice' | 'rules_checked'>;

/**
 * The figures of performance for TypeScript code in the same process, of all copies of the installation. No method
 * changes a setting: `optimizePerformance` advises.
 */
export class PerformanceMonitoringService {
  readonly #ports: Pick<Ports, 'sql'>;

  constructor(ports: Pick<Ports, 'sql'> & HasWings) {
    assertWing(ports, 'monitoring');
    this.#ports = ports;
  }

  /** Returns how long it takes to issue a token: average, p95 and p99 in milliseconds. */
  trackTokenGenerationTime(): Promise<PerformanceMetric> {
    return this.#durationOf('token_generation');
  }

  /** Returns how long it takes to validate a token, without HTTP. */
  trackTokenValidationTime(): Promise<PerformanceMetric> {
    return this.#durationOf('token_validation');
  }

  /** Returns how many sign-ins succeeded in this clock hour and the one before, in percent. */
  async trackAuthenticationSuccessRate(): Promise<SuccessRateMetric> {
    const { security, performance } = await readDashboard(this.#ports);
    return { state: security.state, as_of: security.as_of, ...performance.sign_ins };
  }

  /** Returns processor, memory and pools of each copy, and the queues. */
  async monitorResourceUsage(): Promise<ResourceUsage> {
    return (await readDashboard(this.#ports)).resources;
  }

  /** Returns when limits are reached if the trend of whole days goes on; a series of fewer than seven days says so. */
  async predictCapacityNeeds(): Promise<CapacityPrediction> {
    const { as_of, sampled_hour, days_needed, predictions } = await readCapacity(this.#ports);
    return { as_of, sampled_hour, days_needed, predictions };
  }

  /** Returns settings worth a change, each with the figures that speak for it. It changes nothing. */
  async optimizePerformance(): Promise<OptimizationResult> {
    const { as_of, sampled_hour, advice, rules_checked } = await readCapacity(this.#ports);
    return { as_of, sampled_hour, advice, rules_checked };
  }

  async #durationOf(which: 'token_generation' | 'token_validation'): Promise<PerformanceMetric> {
    const { performance } = await readDashboard(this.#ports);
    const { state, as_of, window_seconds } = performance;
    return { state, as_of, window_seconds, ...performance[which] };
  }
}
