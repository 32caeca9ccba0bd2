import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '#services/core/audit/log/canonical-json.ts';
import type { ImportMap } from '../import-shapes.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The same mapping has the same digest; one of before `factors_lost` had no such member. */
export const mapDigest = ({ factors_lost: lost, ...map }: ImportMap): string =>
  sha256(canonicalJson((lost === 'enrol' ? map : { ...map, factors_lost: lost }) as unknown as Json));

/** The mapping as a row keeps it: parameters may be secret, so only their names. */
export const publicMap = ({ parameters, ...map }: ImportMap): object => ({
  ...map,
  parameters: Object.keys(parameters).sort(),
});
