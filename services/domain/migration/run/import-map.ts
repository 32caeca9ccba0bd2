import { createHash } from 'node:crypto';
import { canonicalJson, type Json } from '../../audit/log/canonical-json.ts';
import type { ImportMap } from '../import-shapes.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The same mapping has the same digest. */
export const mapDigest = (map: ImportMap): string => sha256(canonicalJson(map as unknown as Json));

/** The mapping as a row keeps it: parameters may be secret, so only their names. */
export const publicMap = ({ parameters, ...map }: ImportMap): object => ({
  ...map,
  parameters: Object.keys(parameters).sort(),
});
