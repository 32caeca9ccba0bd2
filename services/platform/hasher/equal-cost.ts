import { hashSync } from '@node-rs/bcrypt';
import { BCRYPT_COST, type HashAlgorithm } from './schemes.ts';

/** Runs a verification, then adds work up to the cost of our own, so that timing does not reveal a cheaper digest. */
export type EqualCost = <T>(work: () => T) => T;

const COST_MIN = 4;
const MEASURED_COST = 10;

/** Processor time of this process, microseconds; it excludes time spent waiting for a core. */
export function processorMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

const burnBcrypt = (cost: number): void => {
  hashSync('what fills the time', cost);
};

type Costs = {
  /** Processor time so far, microseconds. */
  readonly spentMicros: () => number;
  /** Computes one bcrypt hash of this cost. */
  readonly burn: (cost: number) => void;
};

/**
 * Measures the cost of one of our hashes with `hashOne`.
 * With Argon2id, older digests (bcrypt of cost 12) may be costlier; in that case their cost is used.
 */
export function createEqualCost(
  algorithm: HashAlgorithm,
  hashOne: () => unknown,
  { spentMicros, burn }: Costs = { spentMicros: processorMicros, burn: burnBcrypt },
): EqualCost {
  const measure = <R>(work: () => R): { readonly result: R; readonly micros: number } => {
    const from = spentMicros();
    const result = work();
    return { result, micros: spentMicros() - from };
  };
  const own = measure(hashOne);
  const bcryptMicros =
    algorithm === 'bcrypt'
      ? own.micros
      : measure(() => burn(MEASURED_COST)).micros * 2 ** (BCRYPT_COST - MEASURED_COST);
  const wholeMicros = Math.max(own.micros, bcryptMicros);
  return (work) => {
    const { result, micros } = measure(work);
    for (const cost of stepsFor(wholeMicros - micros, bcryptMicros)) burn(cost);
    return result;
  };
}

/** Costs of bcrypt hashes, halving, that together take `leftMicros`; a hash of cost 12 takes `bcryptMicros`. */
export function stepsFor(leftMicros: number, bcryptMicros: number): number[] {
  const steps: number[] = [];
  let left = leftMicros;
  for (let cost = BCRYPT_COST; cost >= COST_MIN; cost -= 1) {
    const micros = bcryptMicros / 2 ** (BCRYPT_COST - cost);
    if (micros > left || micros <= 0) continue;
    steps.push(cost);
    left -= micros;
  }
  return steps;
}
