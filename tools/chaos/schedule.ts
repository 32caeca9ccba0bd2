import type { Fault } from './faults/fault.ts';
import type { CopyName } from './ledger.ts';
import type { Random } from './random.ts';

export type Planned = { readonly fault: Fault; readonly copy: CopyName };

/** Faults in an order that the seed draws: each comes once before any comes twice. */
export function planFaults(faults: readonly Fault[], random: Random, count: number): Planned[] {
  const planned: Planned[] = [];
  while (planned.length < count && faults.length > 0)
    for (const fault of random.shuffled(faults)) planned.push({ fault, copy: random.chance(0.5) ? 'A' : 'B' });
  return planned.slice(0, count);
}
