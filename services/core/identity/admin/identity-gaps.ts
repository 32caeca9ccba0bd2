import type { Ports } from '../../ports.ts';
import { readActiveAdmins } from '../users/assert-admin-stays.ts';

const ALONE = { name: 'second-administrator', why: 'is missing', fix: 'invite one: sallyport users invite' };

/** Whether a lost administrator would be without help. */
export const findIdentityGaps = async ({ sql }: Pick<Ports, 'sql'>) =>
  (await readActiveAdmins(sql, false)).size < 2 ? [ALONE] : [];
