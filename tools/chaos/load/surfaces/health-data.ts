import type { CopyName } from '../../ledger.ts';
import type { Usable } from '../../surface-facts.ts';
import {
  anyCopy,
  atBothCopies,
  end,
  keep,
  kept,
  newUsable,
  pickShown,
  REASON,
  type RowStatements,
  type Surface,
  show,
  type Tools,
} from './surface.ts';

export const healthDataRows: RowStatements = {
  'encryption of a value': `SELECT DISTINCT subject_id AS key FROM phi_data_keys`,
  'shredding of a person': `SELECT DISTINCT subject_id AS key FROM phi_data_keys WHERE shredded_at IS NOT NULL`,
};

/** A value about a person, as its application keeps it. */
type Value = Usable & { readonly subjectId: string; readonly encrypted: unknown; readonly plain: string };

const LIVE_MOST = 40;

export function createHealthData(tools: Tools): Surface {
  const { authorization, attempt, random } = tools;
  const values: Value[] = [];
  const headers = { authorization };
  const live = (): Value[] => kept(tools, values).filter(({ revocations }) => revocations.length === 0);

  async function encrypt(): Promise<void> {
    const made = await keep(
      tools,
      { surface: 'health data', kind: 'encryption of a value', events: ['phi.encrypted'] },
      (key) => {
        const json = { subject_id: key, purpose: 'treatment', data: { note: `of ${key}` } };
        return { path: '/v1/privacy/phi/encrypt', json, headers };
      },
      ({ status }) => status === 201,
    );
    if (!made) return;
    const { key: subjectId, answer } = made;
    const what = { surface: 'health data', kind: 'encrypted value', id: subjectId } as const;
    values.push({ ...newUsable(what), subjectId, encrypted: answer.body.encrypted, plain: `of ${subjectId}` });
  }

  const decrypt = async (value: Value | undefined, copy: CopyName = anyCopy(tools)): Promise<void> => {
    if (!value) return;
    const json = { purpose: 'treatment', encrypted: value.encrypted };
    await show(tools, value, copy, { path: '/v1/privacy/phi/decrypt', json, headers }, ({ status, body }) => {
      // Other data than was encrypted is no use.
      if (status === 200) return body.data?.note === value.plain;
      return status >= 400 && status < 500 ? false : undefined;
    });
  };

  const shred = async (value: Value | undefined): Promise<void> => {
    if (!value || value.revocations.length > 0) return;
    const path = `/v1/privacy/phi/subjects/${value.subjectId}/shred`;
    await end(
      tools,
      value,
      { surface: 'health data', kind: 'shredding of a person', events: ['phi.shredded'], key: value.subjectId },
      { path, json: { reason: REASON }, headers },
      // A retry after a lost answer finds no key.
      ({ status }) => status === 200 || status === 404,
    );
  };

  const rotate = async (): Promise<void> => {
    await attempt(
      { kind: 'rotation of the encryption key', events: [], isRepeatable: true, subject: null },
      () => ({ path: '/v1/privacy/phi/rotations', json: { reason: REASON }, headers }),
      ({ status }) => status === 202,
    );
  };

  return {
    acts: [
      [0.3, () => (live().length < LIVE_MOST ? encrypt() : shred(random.pick(live())))],
      [0.15, () => shred(random.pick(live()))],
      [1.5, () => decrypt(pickShown(tools, values))],
      [0.03, rotate],
    ],
    prepare: async () => {
      for (let at = 0; at < 4; at += 1) await encrypt();
      await decrypt(values[0]);
      await shred(values[0]);
    },
    settle: () => atBothCopies(values.slice(-150), decrypt),
  };
}
