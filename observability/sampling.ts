import type { Context } from '@opentelemetry/api';
import { ParentBasedSampler, type Sampler, SamplingDecision, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace';
import { edgeSampledKey } from './trace-context.ts';

/**
 * Keeps the decision of the HTTP edge. Other traces are sampled at `ratio` (0 to 1), and children, jobs included, follow
 * their parent.
 */
export function edgeSampler(ratio: number): Sampler {
  const inside = new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) });
  return {
    shouldSample(context: Context, ...rest) {
      if (context.getValue(edgeSampledKey) === true) return { decision: SamplingDecision.RECORD_AND_SAMPLED };
      return inside.shouldSample(context, ...rest);
    },
    toString: () => `EdgeSampled{${inside.toString()}}`,
  };
}
