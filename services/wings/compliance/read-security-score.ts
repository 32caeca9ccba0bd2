import type { Ports } from '#services/core/ports.ts';
import { readControls } from './list-controls.ts';

/**
 * The security score: the percentage of the machine controls that pass, without those that do not apply, rounded down. A
 * control whose last check failed or is too old does not pass. Null before any was checked.
 */
export async function readSecurityScore(ports: Pick<Ports, 'sql'>): Promise<number | null> {
  const machine = (await readControls(ports)).filter(({ kind }) => kind === 'machine');
  if (machine.every(({ check }) => check === null)) return null;
  const applying = machine.filter(({ status }) => status !== 'not_applicable');
  if (applying.length === 0) return null;
  const passing = applying.filter(({ status }) => status === 'pass');
  return Math.floor((100 * passing.length) / applying.length);
}
